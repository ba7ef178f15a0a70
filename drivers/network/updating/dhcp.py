"""Hosts and ranges of ``<dhcp>``."""

from __future__ import annotations

from embervirt.drivers.network.errors import NetworkInvalid
from embervirt.drivers.network.model import Dhcp, DhcpHost, DhcpRange, Ip, Network
from embervirt.drivers.network.postparse import postparse_host, postparse_range
from embervirt.drivers.network.updating.commands import (
    DELETE,
    MODIFY,
    added,
    check_command,
    only_whole,
    without,
)
from embervirt.drivers.network.validate import Places
from embervirt.drivers.network.validate.addresses import check_host, check_range
from embervirt.drivers.xml import mac, parse, replace


def change_host(network: Network, command: int, parent: int, xml: str) -> Network:
    """``<host>`` of the ``<dhcp>`` of the ``<ip>`` with index ``parent``. Raises NetworkInvalid, XmlError."""
    host = postparse_host(parse(DhcpHost, xml))
    index = _ip_index(network, parent)
    ip, hosts = network.ips[index], _dhcp(network.ips[index]).hosts
    check_command(command)
    check_host(network, ip, host, "/host", Places(xml), partial=command == DELETE)
    if command != DELETE and host.ip is not None and host.ip.version != ip.version:
        text = (
            "the address family of a host entry IP must match the address family of the dhcp element's parent"
        )
        raise NetworkInvalid(f"{text}: {host.ip} is not of IPv{ip.version}, as {ip.address} is")
    if command == DELETE:
        kept = without(hosts, _found(network, host, hosts))
    elif command == MODIFY:
        old = _existing(network, host, hosts)
        kept = tuple(host if each is old else each for each in hosts)
    else:
        _check_single(network, index)
        _check_new(network, host, hosts)
        kept = added(hosts, host, command)
    return _with_dhcp(network, index, replace(_dhcp(ip), hosts=kept))


def change_range(network: Network, command: int, parent: int, xml: str) -> Network:
    """``<range>`` of the ``<dhcp>`` of the ``<ip>`` with index ``parent``. Raises as ``change_host``."""
    range_ = postparse_range(parse(DhcpRange, xml))
    index = _ip_index(network, parent)
    ip, ranges = network.ips[index], _dhcp(network.ips[index]).ranges
    only_whole(command, "dhcp ranges")
    check_command(command)
    check_range(network, ip, range_, "/range", Places(xml))
    same = [each for each in ranges if (each.start, each.end) == (range_.start, range_.end)]
    shown = f"<range start='{range_.start}' end='{range_.end}'/>"
    if command == DELETE:
        if not same:
            text = f"couldn't locate a matching dhcp range entry in network '{network.name}'"
            raise NetworkInvalid(f"{text}: {shown}")
        return _with_dhcp(network, index, replace(_dhcp(ip), ranges=without(ranges, same[0])))
    _check_single(network, index)
    if same:
        text = f"there is an existing dhcp range entry in network '{network.name}'"
        raise NetworkInvalid(f'{text} that matches "{shown}"')
    return _with_dhcp(network, index, replace(_dhcp(ip), ranges=added(ranges, range_, command)))


def _dhcp(ip: Ip) -> Dhcp:
    return ip.dhcp or Dhcp()


def _serves(ip: Ip) -> bool:
    return bool(_dhcp(ip).ranges or _dhcp(ip).hosts)


def _with_dhcp(network: Network, index: int, dhcp: Dhcp) -> Network:
    changed = replace(network.ips[index], dhcp=dhcp)
    return replace(network, ips=(*network.ips[:index], changed, *network.ips[index + 1 :]))


def _ip_index(network: Network, parent: int) -> int:
    """Any is the one that has DHCP, else the first of IPv4, else the first."""
    if parent >= 0:
        if parent < len(network.ips):
            return parent
        where = f"at index {parent} in network '{network.name}'"
        raise NetworkInvalid(f"couldn't update dhcp host entry - no <ip> element found {where}")
    ips = list(enumerate(network.ips))
    if not ips:
        where = f"in network '{network.name}'"
        raise NetworkInvalid(f"couldn't update dhcp host entry - no <ip> element found {where}")
    serving, first = (
        [index for index, ip in ips if _serves(ip)],
        [index for index, ip in ips if ip.version == 4],
    )
    return [*serving, *first, 0][0]


def _check_single(network: Network, index: int) -> None:
    """dnsmasq serves one subnet of each family."""
    ip = network.ips[index]
    for other in network.ips:
        if other is not ip and other.version == ip.version and _serves(other):
            text = f"dhcp is supported only for a single IPv{ip.version} address on each network"
            raise NetworkInvalid(f"{text}: '{network.name}' has it for {other.address}")


def _resembles(one: DhcpHost, other: DhcpHost) -> bool:
    """Whether they could be one guest: a MAC address, name or IP address is the same."""
    macs = one.mac and other.mac and mac.decode(one.mac) == mac.decode(other.mac)
    names = one.name is not None and one.name == other.name
    return bool(macs) or names or (one.ip is not None and one.ip == other.ip)


def _matches(wanted: DhcpHost, host: DhcpHost) -> bool:
    """Whether a host is all that is wanted."""
    if wanted.mac and (not host.mac or mac.decode(wanted.mac) != mac.decode(host.mac)):
        return False
    return wanted.name in (None, host.name) and wanted.ip in (None, host.ip)


def _shown(host: DhcpHost) -> str:
    return f"<host mac='{host.mac or 'unknown'}' name='{host.name or ''}' ip='{host.ip or 'unknown'}'/>"


def _found(network: Network, host: DhcpHost, hosts: tuple[DhcpHost, ...]) -> DhcpHost:
    for each in hosts:
        if _matches(host, each):
            return each
    text = f"couldn't locate a matching dhcp host entry in network '{network.name}'"
    raise NetworkInvalid(f"{text}: {_shown(host)}")


def _existing(network: Network, host: DhcpHost, hosts: tuple[DhcpHost, ...]) -> DhcpHost:
    for each in hosts:
        if _resembles(host, each):
            return each
    text = f"couldn't locate an existing dhcp host entry in network '{network.name}'"
    raise NetworkInvalid(f"{text} with any of {_shown(host)}")


def _check_new(network: Network, host: DhcpHost, hosts: tuple[DhcpHost, ...]) -> None:
    for each in hosts:
        if _resembles(host, each):
            text = f"there is an existing dhcp host entry in network '{network.name}' that matches"
            raise NetworkInvalid(f'{text} "{_shown(host)}": {_shown(each)}')
