"""Rules of ``<ip>``, its ``<dhcp>``, and ``<route>``."""

from __future__ import annotations

import re

from embervirt.drivers.network.errors import NetworkInternal, NetworkUnsupported, NetworkXml
from embervirt.drivers.network.model import DhcpHost, DhcpRange, Ip, Lease, Network, Route
from embervirt.drivers.network.validate.places import Place, Places
from embervirt.drivers.xml import mac
from embervirt.drivers.xml.ip import Address

SHORTEST_LEASE = 120
"""Seconds: dnsmasq takes no less."""
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
_STRAY = re.compile("[^0-9a-fA-F:]")


def check_addresses(network: Network, at: Places) -> None:
    """Raises NetworkXml, NetworkUnsupported, NetworkInternal."""
    for index, ip in enumerate(network.ips, 1):
        check_ip(network, ip, f"/network/ip[{index}]", at)
    for index, route in enumerate(network.routes, 1):
        check_route(network, route, f"/network/route[{index}]", at)


def check_ip(network: Network, ip: Ip, path: str, at: Places) -> None:
    """One ``<ip>`` at ``path`` with all that is in it. Raises as ``check_addresses``."""
    address = ip.address
    if address is None:
        text = f"Missing required address attribute in network '{network.name}': {at(path)}"
        raise NetworkXml(f"{text}; expected an IPv4 or IPv6 address")
    _family(network, ip, address, at(path))
    _length(network, ip, address, at(path))
    if ip.tftp is not None and address.version == 6:
        text = f"Unsupported <tftp> element in an IPv6 element in network '{network.name}'"
        raise NetworkUnsupported(f"{text}: {at(path + '/tftp')}")
    if ip.dhcp is not None:
        for index, each in enumerate(ip.dhcp.ranges, 1):
            check_range(network, ip, each, f"{path}/dhcp[1]/range[{index}]", at)
        for index, host in enumerate(ip.dhcp.hosts, 1):
            check_host(network, ip, host, f"{path}/dhcp[1]/host[{index}]", at)


def _family(network: Network, ip: Ip, address: Address, place: Place) -> None:
    name = network.name
    if ip.family is None and address.version == 6:
        text = f"no family specified for non-IPv4 address '{address}' in network '{name}'"
        raise NetworkUnsupported(f"{text}: {place}; expected family='ipv6'")
    if ip.family is not None and ip.family != f"ipv{address.version}":
        wanted = ip.family.replace("ipv", "IPv")
        text = f"Family '{ip.family}' specified for non-{wanted} address '{address}' in network '{name}'"
        raise NetworkUnsupported(f"{text}: {place}")


def _length(network: Network, ip: Ip, address: Address, place: Place) -> None:
    name, mask = network.name, ip.netmask
    if mask is not None and address.version == 6:
        text = f"netmask not allowed for IPv6 address '{address}' in network '{name}'"
        raise NetworkUnsupported(f"{text}: {place}; expected prefix")
    if mask is not None and ip.prefix is not None:
        text = f"Network '{name}' IP address cannot have both a prefix and a netmask"
        raise NetworkUnsupported(f"{text}: {place}")
    if mask is not None and mask.version != 4:
        text = f"Invalid netmask '{mask}' for address '{address}' in network '{name}' (both must be IPv4)"
        raise NetworkUnsupported(f"{text}: {place}")
    if mask is not None and not _is_mask(mask):
        text = f"Invalid netmask '{mask}' for address '{address}' in network '{name}'"
        raise NetworkUnsupported(f"{text}: {place}; expected ones, then zeroes")
    if ip.prefix is not None and ip.prefix > address.max_prefixlen:
        text = f"Invalid IPv{address.version} prefix '{ip.prefix}' in network '{name}'"
        raise NetworkUnsupported(f"{text}: {place}; expected at most {address.max_prefixlen}")


def _is_mask(mask: Address) -> bool:
    return "01" not in f"{int(mask):032b}"


def check_range(network: Network, ip: Ip, range_: DhcpRange, path: str, at: Places) -> None:
    """It lies in the subnet of ``ip``, the lower end first. Raises as ``check_addresses``."""
    start, end, place = range_.start, range_.end, at(path)
    if start is None or end is None:
        missing = "start" if start is None else "end"
        raise NetworkXml(f"Missing '{missing}' attribute in dhcp range for network '{network.name}': {place}")
    what, subnet = f"range {start} - {end}", ip.subnet
    if start.version != ip.version or end.version != ip.version:
        text = f"mismatch of address family in {what} for network {ip.address}"
        raise NetworkInternal(f"{text}: {place}; expected IPv{ip.version} addresses")
    if int(start) > int(end):
        wrong = "is reversed" if ip.version == 4 else "start larger than end"
        raise NetworkInternal(f"{what} {wrong}: {place}; expected the lower address first")
    if start not in subnet or end not in subnet:
        text = f"{what} is not entirely within network {ip.interface}"
        raise NetworkInternal(f"{text}: {place}; expected addresses of {subnet}")
    check_length(start, end, place)
    _inside(what, ip, range_, place)
    _lease(range_.lease, place)


def check_length(start: Address, end: Address, place: Place) -> None:
    """Addresses of a range differ in their last 16 bits only, as libvirt has it. Raises NetworkInternal."""
    if int(start) >> 16 != int(end) >> 16:
        text = f"range {start} - {end} is too large (> 65535): {place}"
        raise NetworkInternal(f"{text}; expected addresses that differ in the last 16 bits only")


def _inside(what: str, ip: Ip, range_: DhcpRange, place: Place) -> None:
    """Neither the address of the subnet nor its broadcast address is a guest's; IPv6 has no such."""
    if ip.version == 6:
        return
    if range_.start == ip.subnet.network_address:
        text = f"start of {what} in network {ip.interface} is the network address"
        raise NetworkInternal(f"{text}: {place}; expected a higher one")
    if range_.end == ip.subnet.broadcast_address:
        text = f"end of {what} in network {ip.interface} is the broadcast address"
        raise NetworkInternal(f"{text}: {place}; expected a lower one")


def check_host(
    network: Network, ip: Ip, host: DhcpHost, path: str, at: Places, *, partial: bool = False
) -> None:
    """Who it is and what he gets. ``partial``: only to find one; any of mac, name and ip is enough.

    Raises as ``check_addresses``.
    """
    name, place = network.name, at(path)
    _mac(network, ip, host, place)
    _id(network, ip, host, place)
    if host.name is not None and not (host.name[:1].isascii() and host.name[:1].isalnum()):
        text = f"Cannot use host name '{host.name}' in network '{name}'"
        raise NetworkXml(f"{text}: {place}; expected one that begins with a letter or digit")
    if partial:
        if not (host.mac or host.name or host.ip):
            text = "At least one of name, mac, or ip attribute must be specified for static host definition"
            raise NetworkXml(f"{text} in network '{name}': {place}")
    elif ip.version == 6 and host.id is None and host.name is None:
        text = f"Static host definition in IPv6 network '{name}' must have id or name attribute"
        raise NetworkXml(f"{text}: {place}")
    elif ip.version == 4 and host.mac is None and host.name is None:
        text = f"Static host definition in IPv4 network '{name}' must have mac or name attribute"
        raise NetworkXml(f"{text}: {place}")
    elif host.ip is None:
        text = f"Missing IP address in static host definition for network '{name}'"
        raise NetworkXml(f"{text}: {place}; expected an address of {ip.subnet}")
    _lease(host.lease, place)


def _mac(network: Network, ip: Ip, host: DhcpHost, place: Place) -> None:
    if host.mac is None:
        return
    if ip.version == 6:
        text = f"Invalid to specify MAC address '{host.mac}' in network '{network.name}'"
        raise NetworkXml(f"{text} IPv6 static host definition: {place}; expected id or name")
    try:
        address = mac.decode(host.mac)
    except ValueError:
        text = f"Cannot parse MAC address '{host.mac}' in network '{network.name}': {place}"
        raise NetworkXml(f"{text}; expected {mac.accepts}") from None
    if int(address[:2], 16) & 1:
        text = f"expected unicast mac address, found multicast '{host.mac}' in network '{network.name}'"
        raise NetworkXml(f"{text}: {place}")


def _id(network: Network, ip: Ip, host: DhcpHost, place: Place) -> None:
    stray = _STRAY.search(host.id or "") if ip.version == 6 else None
    if stray:
        text = f"Invalid character '{stray[0]}' in id '{host.id}' of network '{network.name}'"
        raise NetworkXml(f"{text}: {place}; expected hexadecimal bytes with colons between them")


def _lease(lease: Lease | None, place: Place) -> None:
    if lease is None or not lease.expiry:
        return
    if lease.expiry * _SECONDS[lease.unit or "minutes"] < SHORTEST_LEASE:
        text = "The minimum lease time should be greater than 2 minutes"
        raise NetworkUnsupported(f"{text}: {place}; expected {SHORTEST_LEASE} seconds at least, or 0")


def check_route(network: Network, route: Route, path: str, at: Places) -> None:
    """The destination is a subnet, the gateway is in one of the network's. Raises as ``check_addresses``."""
    name, place = network.name, at(path)
    for which, value in (("address", route.address), ("gateway", route.gateway)):
        if value is None:
            raise NetworkXml(f"{name}: Missing required {which} attribute in route definition: {place}")
    _route_family(network, route, place)
    _route_length(network, route, place)
    guessed = route.prefix is None and route.address is not None and route.address.version == 6
    if route.address != route.subnet.network_address or (guessed and route.subnet.prefixlen):
        text = f"{name}: Address '{route.address}' in route definition is not a network address"
        raise NetworkXml(f"{text}: {place}; expected one, and its prefix or netmask")
    if not any(route.gateway in ip.subnet for ip in network.ips):
        text = f"unreachable static route gateway '{route.gateway}' specified for network '{name}'"
        raise NetworkUnsupported(f"{text}: {place}; expected an address in the subnet of an <ip>")


def _route_family(network: Network, route: Route, place: Place) -> None:
    version = 6 if route.family == "ipv6" else 4
    for which, value in (("address", route.address), ("gateway", route.gateway)):
        if value is not None and value.version != version:
            said = f"{route.family} family specified" if route.family else "No family specified"
            text = f"{network.name}: {said} for non-IPv{version} {which} '{value}' in route definition"
            raise NetworkXml(f"{text}: {place}")


def _route_length(network: Network, route: Route, place: Place) -> None:
    name, mask, address = network.name, route.netmask, route.address
    if mask is not None and address is not None and address.version == 6:
        text = f"{name}: Specifying netmask invalid for IPv6 address '{address}' in route definition"
        raise NetworkXml(f"{text}: {place}; expected prefix")
    if mask is not None and route.prefix is not None:
        text = f"{name}: Route definition cannot have both a prefix and a netmask: {place}"
        raise NetworkXml(text)
    if mask is not None and (mask.version != 4 or not _is_mask(mask)):
        text = f"{name}: Invalid netmask '{mask}' for address '{address}' (both must be IPv4)"
        raise NetworkXml(f"{text}: {place}; expected ones, then zeroes")
    most = address.max_prefixlen if address is not None else 0
    if route.prefix is not None and route.prefix > most:
        text = f"{name}: Invalid prefix {route.prefix} specified in route definition"
        raise NetworkXml(f"{text}, must be 0 - {most}: {place}")
