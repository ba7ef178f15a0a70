"""Addresses and routes of a network card as libvirt writes them."""

from __future__ import annotations

from embervirt.drivers.qemu.model.interface_source import Ip, Route
from embervirt.drivers.xml import replace
from embervirt.drivers.xml.ip import Address, decode, encode


def address_of(text: str | None) -> Address | None:
    """None for what is no address."""
    try:
        return decode(text) if text else None
    except ValueError:
        return None


def shown(text: str) -> str:
    """In libvirt's spelling; what is no address stays as it is."""
    address = address_of(text)
    return text if address is None else encode(address)


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
