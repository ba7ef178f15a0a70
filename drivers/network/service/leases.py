"""DHCP leases, out of dnsmasq's own file of them (dnsmasq(8), ``--dhcp-leasefile``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from embervirt import world
from embervirt.drivers.network.errors import InvalidMac
from embervirt.drivers.network.messages import Lease
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.tables import NetworkRow
from embervirt.drivers.root.files import read
from embervirt.drivers.root.paths import RootPaths
from embervirt.drivers.xml import mac as mac_address

NOTHING = "*"
"""A field that is not known."""

LINE = re.compile(
    r"([0-9]{1,18}) ((?:[0-9a-f]{2}-)?[0-9a-f]{2}(?::[0-9a-f]{2})+|T?[0-9]+) (?P<address>[0-9a-f.:]+) (\S+) "
    r"((?:[0-9a-f]{2}:)*[0-9a-f]{2}|\*)",
    re.IGNORECASE | re.ASCII,
)
"""A number before the MAC address is its type, when that is not Ethernet."""

LINK_LAYER = {1: 8, 3: 4}
"""DUID types with a link-layer address in them, and the byte from which it is there (RFC 8415, 11)."""


def of(paths: RootPaths, row: NetworkRow, mac: str | None = None) -> list[dict[str, Any]]:
    """As libvirt-python's ``DHCPLeases``; those that have expired are left out.

    Raises InvalidMac; SystemError_, FileRefused for a file that cannot be read.
    """
    wanted = None if mac is None else _canonical(mac)
    path = paths.dnsmasq / f"{row.name}.leases"
    if not path.exists():
        return []
    text = read(path).decode(errors="replace")
    found = parsed(text, row.network, row.bridge)
    now = world.wall()
    return [
        each
        for each in found
        if (wanted is None or each["mac"] == wanted) and (not each["expirytime"] or each["expirytime"] > now)
    ]


def _canonical(mac: str) -> str:
    try:
        return mac_address.decode(mac)
    except ValueError as error:
        raise InvalidMac(f"{mac}; expected {mac_address.accepts}") from error


def message(told: dict[str, Any]) -> Lease:
    """A lease as ``DHCPLeases`` has it."""
    return Lease(
        interface=told["iface"],
        expiry=told["expirytime"],
        type=told["type"],
        mac=told["mac"] or "",
        address=told["ipaddr"],
        prefix=told["prefix"],
        iaid=told["iaid"],
        hostname=told["hostname"],
        client_id=told["clientid"],
    )


def parsed(text: str, network: Network, interface: str) -> Iterator[dict[str, Any]]:
    """A line each: expiry, MAC address or IAID, address, host name, client id or DUID.

    What is no such line is passed over: the server may be writing just now.
    """
    for line in text.splitlines():
        found = LINE.fullmatch(line)
        if found is None:
            continue
        try:
            address = ip_address(found["address"])
        except ValueError:
            continue
        yield _lease(found, address, network, interface)


def _lease(
    line: re.Match[str], ip: IPv4Address | IPv6Address, network: Network, interface: str
) -> dict[str, Any]:
    expiry, who, address, hostname, client = line.groups()
    v6 = ip.version == 6
    subnets = (each.subnet for each in network.ips)
    prefix = next((each.prefixlen for each in subnets if ip.version == each.version and ip in each), 0)
    return {
        "iface": interface,
        "expirytime": int(expiry),
        "type": int(v6),
        "mac": _mac_of(client) if v6 else who.rpartition("-")[2].lower(),
        "iaid": who.lstrip("T") if v6 else None,
        "ipaddr": address,
        "prefix": prefix,
        "hostname": _known(hostname),
        "clientid": _known(client),
    }


def _known(field: str) -> str | None:
    return None if field == NOTHING else field


def _mac_of(duid: str) -> str | None:
    """Of a guest's DUID that is made from one."""
    octets = duid.lower().split(":")
    if len(octets) < 2:
        return None
    start = LINK_LAYER.get(int(octets[1], 16))
    return ":".join(octets[start:]) if start is not None and len(octets) == start + 6 else None
