"""What each kind of rule can ask for: its attributes in libvirt's order, and their kinds.

Source: libvirt's documentation of network filters, and what libvirt 9 keeps of each attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from embervirt.drivers.network.nwfilter import values
from embervirt.drivers.network.nwfilter.values import Kind, decimal, ip, ip_mask, named, number

Fields = Mapping[str, Kind]
Layer = Literal["frame", "packet"]

BYTE, SHORT, LONG, DSCP = number(0xFF), number(0xFFFF), number(0xFFFFFFFF), number(0x3F)
_PORTS: Fields = dict.fromkeys(("srcportstart", "srcportend", "dstportstart", "dstportend"), SHORT)
_COMMENT: Fields = {"comment": values.COMMENT}
_SOURCE: Fields = {"srcmacaddr": values.MAC, "srcmacmask": values.MAC_MASK}
_MACS: Fields = {**_SOURCE, "dstmacaddr": values.MAC, "dstmacmask": values.MAC_MASK}
_PROTOCOL: Fields = {"protocol": named(values.PROTOCOLS, 0xFF)}


def _addresses(version: int) -> Fields:
    address, mask = ip(version), ip_mask(version)
    return {"srcipaddr": address, "srcipmask": mask, "dstipaddr": address, "dstipmask": mask}


def _between(*names: str, kind: Kind) -> Fields:
    return {each: kind for name in names for each in (name, f"{name}-hi")}


_STP: Fields = {
    **_SOURCE,
    "type": BYTE,
    "flags": BYTE,
    **_between("root-priority", kind=SHORT),
    "root-address": values.MAC,
    "root-address-mask": values.MAC_MASK,
    **_between("root-cost", kind=LONG),
    **_between("sender-priority", kind=SHORT),
    "sender-address": values.MAC,
    "sender-address-mask": values.MAC_MASK,
    **_between("port", "age", "max-age", "hello-time", "forward-delay", kind=SHORT),
    **_COMMENT,
}
_ARP: Fields = {
    **_MACS,
    "hwtype": SHORT,
    "protocoltype": SHORT,
    "opcode": named(values.OPCODES, 0xFFFF, hexadecimal=False),
    "arpsrcmacaddr": values.MAC,
    "arpdstmacaddr": values.MAC,
    "arpsrcipaddr": ip(4),
    "arpsrcipmask": ip_mask(4),
    "arpdstipaddr": ip(4),
    "arpdstipmask": ip_mask(4),
    "gratuitous": values.TRUTH,
    **_COMMENT,
}
_FRAMES: dict[str, Fields] = {
    "mac": {**_MACS, "protocolid": named(values.ETHER_TYPES, 0xFFFF, 0x600), **_COMMENT},
    "vlan": {
        **_MACS,
        "vlanid": number(0xFFF),
        "encap-protocol": named(values.ETHER_TYPES, 0xFFFF, 0x3C),
        **_COMMENT,
    },
    "stp": _STP,
    "arp": _ARP,
    "rarp": _ARP,
    "ip": {**_MACS, **_addresses(4), **_PROTOCOL, **_PORTS, "dscp": DSCP, **_COMMENT},
    "ipv6": {
        **_MACS,
        **_addresses(6),
        **_PROTOCOL,
        **_PORTS,
        **dict.fromkeys(("type", "typeend", "code", "codeend"), BYTE),
        **_COMMENT,
    },
}


def _packets(version: int, *, own: Fields) -> Fields:
    ranges = dict.fromkeys(("srcipfrom", "srcipto", "dstipfrom", "dstipto"), ip(version))
    common = {"dscp": DSCP, "connlimit-above": decimal(0xFFFF), "state": values.STATE}
    sets = {"ipset": values.IPSET, "ipsetflags": values.IPSET_FLAGS}
    return {"srcmacaddr": values.MAC, **_addresses(version), **ranges, **common, **own, **sets, **_COMMENT}


_ICMP: Fields = {"type": BYTE, "code": BYTE}
_TCP: Fields = {**_PORTS, "option": BYTE, "flags": values.FLAGS}
_OWN: dict[str, Fields] = {
    "tcp": _TCP,
    "udp": _PORTS,
    "sctp": _PORTS,
    "icmp": _ICMP,
    "igmp": {},
    "esp": {},
    "ah": {},
    "udplite": {},
    "all": {},
}
_PACKETS: dict[str, Fields] = {
    **{name: _packets(4, own=own) for name, own in _OWN.items()},
    **{f"{name}-ipv6": _packets(6, own=own) for name, own in _OWN.items() if name not in ("icmp", "igmp")},
    "icmpv6": _packets(6, own=_ICMP),
}

KINDS: dict[str, Fields] = {**_FRAMES, **_PACKETS}
"""By the name of the rule's element."""


def layer(protocol: str) -> Layer:
    """``packet``: connections are known, and answers pass with what they answer."""
    return "packet" if protocol in _PACKETS else "frame"


def version(protocol: str) -> int:
    """Of IP, of a rule about packets."""
    return 6 if protocol.endswith("v6") else 4
