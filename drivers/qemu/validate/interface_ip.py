"""Addresses and routes of a network card: the guest's, and the host's side's."""

from __future__ import annotations

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.interface_source import InterfaceSource, Ip, Route
from embervirt.drivers.qemu.postparse.interface_ip import address_of
from embervirt.drivers.xml.ip import Address
from embervirt.errors import ConfigUnsupported, InvalidArgument, XmlError


def check(interface: Interface) -> None:
    """Raises XmlError, InvalidArgument, ConfigUnsupported."""
    source = interface.source or InterfaceSource()
    for ip in (*source.ips, *interface.ips):
        _ip(ip)
    for where, routes in (("interface host IP", source.routes), ("guest interface", interface.routes)):
        for route in routes:
            _route(where, route)
    _guest_side(interface)


def _guest_side(interface: Interface) -> None:
    """QEMU's user network gives the guest an address; nobody else does, and nobody gives it routes."""
    what = "Invalid attempt to set network interface guest-side IP route"
    if interface.type != "user" and (interface.ips or interface.routes):
        text = f"{what} and/or address info, not supported by QEMU"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
    if interface.routes:
        raise ConfigUnsupported(f"{what}, not supported by QEMU", virdomain=VIR_FROM_QEMU)
    families = [ip.family for ip in interface.ips]
    for family in ("IPv4", "IPv6"):
        if families.count(family.lower()) > 1:
            raise ConfigUnsupported(f"Only one {family} address per interface is allowed")
    if any(ip.peer for ip in interface.ips):
        raise ConfigUnsupported("peers are not supported by QEMU", virdomain=VIR_FROM_QEMU)


def _ip(ip: Ip) -> None:
    address = address_of(ip.address)
    if address is None or ip.family != f"ipv{address.version}":
        raise XmlError(
            f"Invalid address '{ip.address}' in <ip>; expected one of family {ip.family or 'ipv4'}"
        )
    if ip.prefix is not None and ip.prefix > address.max_prefixlen:
        text = f"Invalid prefix value '{ip.prefix}' in <ip>"
        raise XmlError(f"{text}; expected at most {address.max_prefixlen}")
    peer = address_of(ip.peer) if ip.peer is not None else address
    if peer is None or peer.version != address.version:
        raise InvalidArgument(f"Invalid peer '{ip.peer}' in <ip>; expected one of family {ip.family}")


def _route(where: str, route: Route) -> None:
    family = route.family or "ipv4"
    address, _ = (_end(where, route, which, family) for which in ("address", "gateway"))
    length = _length(where, route, address)
    if int(address) & ~_mask(length, address):
        text = f"{where}: Address '{route.address}' in route definition is not a network address"
        raise XmlError(f"{text}; expected one, and its prefix or netmask")


def _end(where: str, route: Route, which: str, family: str) -> Address:
    text = getattr(route, which)
    address = address_of(text)
    if address is None:
        what = "network address" if which == "address" else "gateway address"
        raise XmlError(f"{where}: Bad {what} '{text}' in route definition")
    if family != f"ipv{address.version}":
        wanted = family.replace("ip", "IP")
        said = f"{route.family} family specified" if route.family else "No family specified"
        raise XmlError(f"{where}: {said} for non-{wanted} {which} '{text}' in route definition")
    return address


def _length(where: str, route: Route, address: Address) -> int | Address:
    """The prefix or netmask; none is 0."""
    mask = address_of(route.netmask)
    if route.netmask is None:
        length = route.prefix or 0
        if length > address.max_prefixlen:
            text = f"{where}: Invalid prefix {length} specified in route definition"
            raise XmlError(f"{text}, must be 0 - {address.max_prefixlen}")
        return length
    if mask is None:
        raise XmlError(f"{where}: Bad netmask address '{route.netmask}' in route definition")
    if address.version == 6:
        text = f"{where}: Specifying netmask invalid for IPv6 address '{route.address}' in route definition"
        raise XmlError(f"{text}; expected prefix")
    if mask.version != 4:
        raise XmlError(f"{where}: Invalid netmask '{mask}' for address '{address}' (both must be IPv4)")
    if route.prefix is not None:
        raise XmlError(f"{where}: Route definition cannot have both a prefix and a netmask")
    return mask


def _mask(length: int | Address, address: Address) -> int:
    if not isinstance(length, int):
        return int(length)
    most = address.max_prefixlen
    return ((1 << length) - 1) << (most - length)
