"""Values of a rule's attributes: each kind takes a text and gives the one that libvirt writes for it.

A text stays a text, so that a variable, whose value is known when a guest has the filter, is one like any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from embervirt.drivers.network.model import IpCodec
from embervirt.drivers.xml import mac as mac_codec

_ip = IpCodec()
_NUMBER = re.compile(r"\s*\+?(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})")
_DECIMAL = re.compile(r"\s*\+?([0-9]{1,10})")

ETHER_TYPES = {"ipv4": 0x0800, "arp": 0x0806, "rarp": 0x8035, "vlan": 0x8100, "ipv6": 0x86DD}
_OPCODES = (
    *("Request", "Reply", "Request_Reverse", "Reply_Reverse", "DRARP_Request", "DRARP_Reply"),
    *("DRARP_Error", "InARP_Request", "ARP_NAK"),
)
OPCODES = {name: number for number, name in enumerate(_OPCODES, 1)}
PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "sctp": 132,
    "udplite": 136,
}
"""IANA's numbers."""

STATES = ("NEW", "ESTABLISHED", "RELATED", "INVALID")
TCP_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")


@dataclass(frozen=True)
class Kind:
    """``canonical`` raises ValueError; ``accepts`` says what would do."""

    accepts: str
    canonical: Callable[[str], str]


def number(high: int, low: int = 0) -> Kind:
    """Decimal, or hexadecimal with 0x; it is written as it was given."""

    def canonical(text: str) -> str:
        value = _value(text, low, high)
        return f"{value:#x}" if "x" in text.lower() else str(value)

    return Kind(f"a number from {low} to {high}, or hexadecimal with 0x", canonical)


def decimal(high: int) -> Kind:
    """Decimal only."""

    def canonical(text: str) -> str:
        if not _DECIMAL.fullmatch(text) or not int(text) <= high:
            raise ValueError(text)
        return str(int(text))

    return Kind(f"a decimal number up to {high}", canonical)


def named(names: Mapping[str, int], high: int, low: int = 0, *, hexadecimal: bool = True) -> Kind:
    """A name in any case, or its number; others as ``number``, or without ``hexadecimal`` in decimal."""
    words = {name.lower(): name for name in names}
    numbers = {value: name for name, value in names.items()}

    def canonical(text: str) -> str:
        if text.lower() in words:
            return words[text.lower()]
        value = _value(text, low, high)
        if value in numbers:
            return numbers[value]
        return f"{value:#x}" if hexadecimal and "x" in text.lower() else str(value)

    return Kind(f"one of {', '.join(names)}, or a number from {low} to {high}", canonical)


def ip(version: int) -> Kind:
    """An address."""

    def canonical(text: str) -> str:
        address = _ip.decode(text)
        if address.version != version:
            raise ValueError(text)
        return _ip.encode(address)

    return Kind(f"an IPv{version} address", canonical)


def ip_mask(version: int) -> Kind:
    """The length of a prefix, or a mask that is one."""
    most, full = (32, IPv4Address) if version == 4 else (128, IPv6Address)

    def canonical(text: str) -> str:
        if text.isascii() and text.isdigit() and int(text) <= most:
            return str(int(text))
        bits = f"{int(full(text)):0{most}b}"
        if "01" in bits:
            raise ValueError(text)
        return str(bits.count("1"))

    return Kind(f"a prefix from 0 to {most}, or a mask of that kind", canonical)


def _mac_mask(text: str) -> str:
    mask = mac_codec.decode(text)
    if "01" in f"{int(mask.replace(':', ''), 16):048b}":
        raise ValueError(text)
    return mask


def _truth(text: str) -> str:
    """libvirt takes every other text for false."""
    return "true" if text in ("true", "yes", "1") else "false"


def _words(text: str, known: tuple[str, ...]) -> list[str]:
    given = {word.strip().upper() for word in text.split(",")} - {""}
    if not given <= {*known}:
        raise ValueError(text)
    return [word for word in known if word in given]


def _state(text: str) -> str:
    words = _words(text, (*STATES, "NONE"))
    if not words:
        raise ValueError(text)
    return "NONE" if "NONE" in words else ",".join(words)


def _flag_list(text: str) -> str:
    if text.strip().upper() in ("ALL", "NONE", ""):
        return text.strip().upper() or "NONE"
    words = _words(text, TCP_FLAGS)
    return "ALL" if len(words) == len(TCP_FLAGS) else ",".join(words) or "NONE"


def _tcp_flags(text: str) -> str:
    first, slash, second = text.partition("/")
    if not slash:
        raise ValueError(text)
    return f"{_flag_list(first)}/{_flag_list(second)}"


def _ipset_flags(text: str) -> str:
    words = [word.lower() for word in text.split(",")]
    if not 0 < len(words) <= 6 or not {*words} <= {"src", "dst"}:
        raise ValueError(text)
    return ",".join(words)


def _ipset(text: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9_:.+-]{1,31}", text):
        raise ValueError(text)
    return text


def _comment(text: str) -> str:
    return text[:256]


def _value(text: str, low: int, high: int) -> int:
    found = _NUMBER.fullmatch(text)
    value = -1 if found is None else int(found[1], 16 if found[1][:2].lower() == "0x" else 10)
    if not low <= value <= high:
        raise ValueError(text)
    return value


MAC = Kind("a MAC address such as 52:54:00:12:34:56", mac_codec.decode)
MAC_MASK = Kind("a mask of leading ones such as ff:ff:ff:00:00:00", _mac_mask)
TRUTH = Kind("true or false", _truth)
STATE = Kind(f"NONE, or some of {', '.join(STATES)}, with commas", _state)
FLAGS = Kind(f"mask/flags, each ALL, NONE or some of {', '.join(TCP_FLAGS)}", _tcp_flags)
IPSET = Kind("a name of up to 31 letters, digits and _:.+-", _ipset)
IPSET_FLAGS = Kind("one to six of src and dst, with commas", _ipset_flags)
COMMENT = Kind("any text", _comment)
