"""What one network says twice: an address, a range, a guest. libvirt lets it pass; dnsmasq then takes one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from embervirt.drivers.network.errors import NetworkUnsupported
from embervirt.drivers.network.model import DhcpHost, Ip, Network
from embervirt.drivers.network.validate.places import Place, Places
from embervirt.drivers.xml import mac


def check_clashes(network: Network, at: Places) -> None:
    """Raises NetworkUnsupported, which says what clashes with what, and where both stand."""
    _once(network, ((f"IP address {ip.address}", f"ip[{n}]") for n, ip in enumerate(network.ips, 1)), at)
    for index, ip in enumerate(network.ips, 1):
        if ip.dhcp is not None:
            _ranges(network, ip, f"ip[{index}]", at)
            _hosts(network, ip, f"ip[{index}]", at)


def _once(network: Network, items: Iterable[tuple[str, str]], at: Places) -> None:
    """``items``: what it is, and its path in the network."""
    seen: dict[str, str] = {}
    for what, path in items:
        if what in seen:
            first, second = at(f"/network/{seen[what]}"), at(f"/network/{path}")
            raise NetworkUnsupported(
                f"{what} is given twice in network '{network.name}': {second}, and {first}"
            )
        seen[what] = path


def _ranges(network: Network, ip: Ip, path: str, at: Places) -> None:
    """No address is in two of them."""
    ranges, where = ip.dhcp.ranges if ip.dhcp else (), f"/network/{path}/dhcp[1]/range"
    ordered = sorted((int(each.start or 0), int(each.end or 0), index) for index, each in enumerate(ranges))
    for (_, end, one), (start, _, other) in pairwise(ordered):
        if start <= end:
            first, second = (
                f"{ranges[index].start} - {ranges[index].end} at {at(f'{where}[{index + 1}]')}"
                for index in sorted((one, other))
            )
            text = f"dhcp ranges overlap in network '{network.name}': {second}, and {first}"
            raise NetworkUnsupported(text)


def _hosts(network: Network, ip: Ip, path: str, at: Places) -> None:
    """Every guest once, and every address one guest's; none is the bridge's own or out of reach."""
    hosts = [
        (host, f"{path}/dhcp[1]/host[{n}]") for n, host in enumerate(ip.dhcp.hosts if ip.dhcp else (), 1)
    ]
    for host, where in hosts:
        _reachable(network, ip, host, at(f"/network/{where}"))
    own = [(f"IP address {each.address}", f"ip[{n}]") for n, each in enumerate(network.ips, 1)]
    _once(network, [*own, *((f"IP address {host.ip}", where) for host, where in hosts)], at)
    for what, values in (
        ("MAC address", [(host.mac and mac.decode(host.mac), where) for host, where in hosts]),
        ("id", [(host.id and host.id.lower(), where) for host, where in hosts]),
        ("host name", [(host.name and host.name.lower(), where) for host, where in hosts]),
    ):
        _once(network, ((f"dhcp {what} '{value}'", where) for value, where in values if value), at)


def _reachable(network: Network, ip: Ip, host: DhcpHost, place: Place) -> None:
    if host.ip is not None and host.ip not in ip.subnet:
        text = f"IP address {host.ip} of a dhcp host is not within network {ip.interface}"
        raise NetworkUnsupported(f"{text} of '{network.name}': {place}; expected an address of {ip.subnet}")
