"""Serial and parallel ports, consoles, channels."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.address import (
    Address,
    IsaAddress,
    PciAddress,
    UsbAddress,
    VirtioSerialAddress,
)
from embervirt.drivers.qemu.model.chardev import ISA, SERIALS, Channel, ChannelTarget, Serial
from embervirt.drivers.qemu.validate.chardev_source import check as check_source
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, InternalError, SystemError_, XmlError

_PLACES: dict[str, tuple[str, type[Address]]] = {
    "isa-serial": ("isa", IsaAddress),
    "isa-debug": ("isa", IsaAddress),
    "usb-serial": ("usb", UsbAddress),
    "pci-serial": ("pci", PciAddress),
}

MOST_ISA = 4
"""Serial ports of ISA that QEMU has: of more libvirt refuses only those whose XML says their type."""


def check(domain: Domain) -> None:
    """Each port by itself; only the first console is a serial port."""
    devices = domain.devices
    for number, serial in enumerate(devices.serials):
        check_source(serial, f"serial port {number}")
        _serial(serial)
    _isa(devices.serials)
    for number, parallel in enumerate(devices.parallels):
        check_source(parallel, f"parallel port {number}")
    for number, console in enumerate(devices.consoles):
        if number and not console.virtio:
            raise ConfigUnsupported("Only the first console can be a serial port")
        check_source(console, f"console {number}")
        if console.virtio and console.address and not isinstance(console.address, VirtioSerialAddress):
            raise InternalError(f"console {number}: virtio serial device has invalid address type")
    for number, channel in enumerate(devices.channels):
        _channel(channel, f"channel {number}")


def _serial(serial: Serial) -> None:
    target = serial.target
    if target is None or target.type is None:
        return
    model = target.model.name if target.model else ""
    if model != SERIALS[target.type]:
        owner = next(type_ for type_, name in SERIALS.items() if name == model)
        raise ConfigUnsupported(f"Target model '{model}' requires target type '{owner}'")
    word, place = _PLACES[target.type]
    if serial.address and not isinstance(serial.address, place):
        raise ConfigUnsupported(f"Target type '{target.type}' requires address type '{word}'")


def _isa(serials: Iterable[Serial]) -> None:
    ports = [serial.port for serial in serials if serial.target and serial.target.type == ISA]
    twice = repeated(ports)
    if twice is not None:
        raise InternalError(f"target port '{twice}' already allocated to another serial port of ISA")
    if any(port is not None and port >= MOST_ISA for port in ports):
        raise InternalError(f"Maximum supported number of ISA serial ports is '{MOST_ISA}'")


def _channel(channel: Channel, what: str) -> None:
    if channel.target is None:
        raise XmlError("target type must be specified for channel device")
    if not channel.own_socket:
        check_source(channel, what)
    if channel.target.type == "guestfwd":
        _guestfwd(channel.target, what)


def _guestfwd(target: ChannelTarget, what: str) -> None:
    if target.port is None:
        raise XmlError(f"{what}: Missing required attribute 'port' in element 'target'")
    if target.address is None:
        raise XmlError(f"{what}: guestfwd channel does not define a target address")
    try:
        version = ipaddress.ip_address(target.address).version
    except ValueError as error:
        raise SystemError_(f"{what}: Cannot parse socket address '{target.address}'") from error
    if version != 4:
        raise ConfigUnsupported("guestfwd channel only supports IPv4 addresses")
