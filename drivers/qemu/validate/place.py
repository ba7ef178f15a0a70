"""Places of devices: which kind of address is possible where."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Controller, Device, Domain
from embervirt.drivers.qemu.model.address import PciAddress, VirtioSerialAddress
from embervirt.drivers.qemu.model.input import Input
from embervirt.errors import ConfigUnsupported, InternalError, XmlError

VIRTIO = {"rngs": "virtio-rng", "memballoons": "virtio-balloon", "vsocks": "vhost-vsock"}
"""Devices that are virtio whatever they say, by their list; as messages call them."""


def _virtio(name: str, device: Device) -> str | None:
    """What a device of the list ``name`` is called if it is virtio, which is on PCI and nowhere else."""
    match device:
        case Input(bus="virtio"):
            return "virtio-input"
        case Controller(type="virtio-serial"):
            return "virtio-serial"
        case Controller(type="scsi") if (device.model or "").startswith("virtio"):
            return "virtio-scsi"
    return VIRTIO.get(name)


def check(domain: Domain) -> None:
    """Addresses of a kind that the device can have, on controllers that are there."""
    controllers = domain.devices.controllers
    serial = {item.index for item in controllers if item.type == "virtio-serial"}
    for name, found in domain.devices.present.items():
        for device in found:
            if isinstance(device, Device) and device.address is not None:
                _bus(device, _virtio(name, device), serial)


def _bus(device: Device, virtio: str | None, serial: set[int | None]) -> None:
    address = device.address
    if isinstance(address, VirtioSerialAddress) and address.port and address.controller not in serial:
        raise XmlError(f"virtio serial controller {address.controller} is missing")
    if isinstance(address, PciAddress):
        return
    if device.acpi is not None:
        raise ConfigUnsupported("ACPI index is only supported for PCI devices")
    if virtio is not None:
        raise InternalError(f"Unexpected address type for '{virtio}'; expected an address on PCI")
