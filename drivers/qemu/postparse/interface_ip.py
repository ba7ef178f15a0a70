"""Addresses and routes of a network card as libvirt writes them."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from embervirt.drivers.qemu.model.interface_source import Ip, Route
from embervirt.drivers.xml import replace

Address = IPv4Address | IPv6Address


def address_of(text: str | None) -> Address | None:
    """Of a text: an IPv4 address in every form of inet_aton(3), or an IPv6 address; None for others."""
    try:
        if not text or "%" in text or any(each.isspace() for each in text):
            return None
        return ip_address(text) if ":" in text else IPv4Address(socket.inet_aton(text))
    except (ValueError, OSError):
        return None


def shown(text: str) -> str:
    """In libvirt's spelling; what is no address stays as it is."""
    address = address_of(text)
    if address is None:
        return text
    return str(address) if address.version == 4 else socket.inet_ntop(socket.AF_INET6, address.packed)


def ip(given: Ip) -> Ip:
    """With its family; a prefix of 0 is none."""
    address = address_of(given.address)
    family = given.family or (f"ipv{address.version}" if address is not None else None)
    return replace(
        given,
        address=shown(given.address),
        family=family,
        prefix=given.prefix or None,
        peer=given.peer and shown(given.peer),
    )


def route(given: Route) -> Route:
    """Its family stays unsaid when it is IPv4."""
    return replace(
        given,
        address=shown(given.address),
        netmask=given.netmask and shown(given.netmask),
        gateway=shown(given.gateway),
    )
