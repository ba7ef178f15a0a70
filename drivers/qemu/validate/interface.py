"""Network cards."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.interface import Interface, Ip
from embervirt.drivers.qemu.parts.interface import driver
from embervirt.errors import ConfigUnsupported, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def check(domain: Domain, caps: Capabilities) -> None:
    """MAC addresses, models, and what a user network can have."""
    for interface in domain.devices.interfaces:
        _check(interface, caps)


def _check(interface: Interface, caps: Capabilities) -> None:
    address = interface.mac.address if interface.mac else ""
    if address and int(address[:2], 16) & 1:
        raise XmlError(f"expected unicast mac address, found multicast '{address}'")
    if driver(interface) not in caps.devices:
        model = interface.model.type if interface.model else ""
        raise ConfigUnsupported(f"interface {address}: '{caps.binary}' has no network card '{model}'")
    if interface.mtu and interface.mtu.size:
        raise ConfigUnsupported("setting MTU on interface type user is not supported yet")
    _queues(interface)
    _addresses(interface.ips)


def _queues(interface: Interface) -> None:
    given = interface.driver
    for name in ("rx_queue_size", "tx_queue_size"):
        size = getattr(given, name) if given else None
        if size and size & (size - 1):
            raise ConfigUnsupported(f"{name} has to be a power of two")


def _addresses(ips: tuple[Ip, ...]) -> None:
    versions = [_version(ip) for ip in ips]
    for version in (4, 6):
        if versions.count(version) > 1:
            raise ConfigUnsupported(f"Only one IPv{version} address per interface is allowed")


def _version(ip: Ip) -> int:
    try:
        version = ip_address(ip.address).version
    except ValueError:
        raise XmlError(f"Invalid address '{ip.address}' in <ip>") from None
    if ip.prefix is not None and ip.prefix > (32 if version == 4 else 128):
        raise XmlError(f"Invalid prefix value '{ip.prefix}' in <ip>")
    if ip.family and ip.family != f"ipv{version}":
        raise XmlError(f"Address '{ip.address}' in <ip> is not of family '{ip.family}'")
    return version
