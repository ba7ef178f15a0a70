"""IP addresses as libvirt reads and writes them."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address


def decode(text: str) -> Address:
    """An IPv6 address without a scope, or an IPv4 one in every form of inet_aton(3). Raises ValueError."""
    if "%" in text or any(each.isspace() for each in text):
        raise ValueError(text)
    if ":" in text:
        return ip_address(text)
    try:
        return IPv4Address(socket.inet_aton(text))
    except OSError:
        raise ValueError(text) from None


def encode(address: Address) -> str:
    """In libvirt's spelling."""
    return str(address) if address.version == 4 else socket.inet_ntop(socket.AF_INET6, address.packed)
