"""What a condition asks, in nft's words. Source: nft(8); headers by IEEE 802.1D and 802.1Q, RFC 826."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address

from embervirt.drivers.network.nwfilter.bindings import Condition
from embervirt.drivers.network.nwfilter.errors import FilterUnsupported
from embervirt.drivers.network.nwfilter.protocols import layer, version
from embervirt.drivers.network.nwfilter.values import ETHER_TYPES, OPCODES, PROTOCOLS
from embervirt.drivers.network.nwfilter.variables import LEARNED

Values = Mapping[str, str]
Words = Iterator[str]

STP_GROUP = "01:80:c2:00:00:00"
ALL_ONES = "ff:ff:ff:ff:ff:ff"
_PREFIXES = ("src", "dst", "arpsrc", "arpdst")
_SWAPPED = {"src": "dst", "dst": "src", "arpsrc": "arpdst", "arpdst": "arpsrc"}

BRIDGE_PDU = 17 * 8
"""Bits before the protocol data unit of a frame of spanning tree: Ethernet's header and LLC's."""

_STP = {
    "type": (24, 8),
    "flags": (32, 8),
    "root-priority": (40, 16),
    "root-address": (56, 48),
    "root-cost": (104, 32),
    "sender-priority": (136, 16),
    "sender-address": (152, 48),
    "port": (200, 16),
    "age": (216, 16),
    "max-age": (232, 16),
    "hello-time": (248, 16),
    "forward-delay": (264, 16),
}
"""Offset and length in bits, of the data unit."""

_ARP = {
    "hwtype": (0, 16),
    "protocoltype": (16, 16),
    "opcode": (48, 16),
    "arpsrcmacaddr": (64, 48),
    "arpsrcipaddr": (112, 32),
    "arpdstmacaddr": (144, 48),
    "arpdstipaddr": (192, 32),
}
"""Of ARP and RARP for IPv4 over Ethernet."""


def swapped(values: Values) -> dict[str, str]:
    """Source and destination in each other's place."""
    return {_swap(name): text for name, text in values.items()}


def _swap(name: str) -> str:
    prefix = next((each for each in reversed(_PREFIXES) if name.startswith(each)), "")
    return _SWAPPED[prefix] + name.removeprefix(prefix) if prefix else name


def matches(condition: Condition, *, answer: bool = False) -> list[str]:
    """Each is asked for. ``answer``: source and destination change places. Raises FilterUnsupported."""
    read, differs = _READERS.get(condition.protocol, _packet), "!= " if condition.negated else ""
    asked = list(read(condition.protocol, condition.values, differs))
    if not answer:
        return asked
    values = swapped(condition.values)
    if layer(condition.protocol) == "packet":
        values.pop("dstmacaddr", None)  # the address was the sender's, the answer comes to whoever routes
    return list(read(condition.protocol, values, differs))


def _mac(protocol: str, values: Values, differs: str) -> Words:
    yield from _macs(values, differs)
    if "protocolid" in values:
        yield f"ether type {differs}{_ether_type(values['protocolid'])}"


def _vlan(protocol: str, values: Values, differs: str) -> Words:
    yield from _macs(values, differs)
    yield "ether type vlan"
    if "vlanid" in values:
        yield f"vlan id {differs}{_int(values['vlanid'])}"
    if "encap-protocol" in values:
        yield f"vlan type {differs}{_ether_type(values['encap-protocol'])}"


def _stp(protocol: str, values: Values, differs: str) -> Words:
    yield from _macs(values, differs)
    yield f"ether daddr {STP_GROUP}"
    for name, (offset, length) in _STP.items():
        if name in values:
            field, wanted = f"@ll,{BRIDGE_PDU + offset},{length}", values[name]
            if length == 48:
                yield _masked(
                    field, differs, _mac_number(wanted), _mac_number(values.get(f"{name}-mask", ALL_ONES))
                )
            else:
                yield f"{field} {differs}{_range(wanted, values.get(f'{name}-hi'))}"


def _arp(protocol: str, values: Values, differs: str) -> Words:
    if values.get("gratuitous") == "true":
        what = "gratuitous: nftables cannot compare two addresses of one frame"
        raise FilterUnsupported(f"<{protocol}>: {what}; match arpsrcipaddr and arpdstipaddr instead")
    yield from _macs(values, differs)
    yield f"ether type {_ether_type(protocol)}"
    for name, (offset, length) in _ARP.items():
        if name in values:
            yield _arp_field(f"@nh,{offset},{length}", name, values, differs, protocol)


def _arp_field(field: str, name: str, values: Values, differs: str, protocol: str) -> str:
    text = values[name]
    if text == LEARNED:
        side = "saddr" if name == "arpsrcipaddr" else "daddr"
        if protocol == "rarp":
            raise FilterUnsupported(
                "<rarp>: no guest's address is learned from RARP; a parameter IP gives it"
            )
        return f"arp {side} ip {differs}{LEARNED}"
    if name.endswith("macaddr"):
        return _masked(field, differs, _mac_number(text), _mac_number(ALL_ONES))
    if name.endswith("ipaddr"):
        length = int(values.get(name.replace("addr", "mask"), "32"))
        return _masked(field, differs, int(IPv4Address(text)), (1 << 32) - (1 << 32 - length), width=8)
    return f"{field} {differs}{OPCODES[text] if text in OPCODES else _int(text)}"


def _ip(protocol: str, values: Values, differs: str) -> Words:
    family = "ip" if protocol == "ip" else "ip6"
    yield from _macs(values, differs)
    yield f"ether type {family}"
    yield from _addresses(family, values, differs)
    if "protocol" in values:
        text = values["protocol"]
        yield f"meta l4proto {differs}{PROTOCOLS[text] if text in PROTOCOLS else _int(text)}"
    yield from _ports(values, differs)
    if "dscp" in values:
        yield f"{family} dscp {differs}{_int(values['dscp'])}"
    for name in ("type", "code"):
        if name in values or f"{name}end" in values:
            low = values.get(name, "0")
            yield f"icmpv6 {name} {differs}{_range(low, values.get(f'{name}end'))}"


def _packet(protocol: str, values: Values, differs: str) -> Words:
    for name, why in _REFUSED.items():
        if name in values:
            raise FilterUnsupported(f"<{protocol}>: {name}: {why}")
    family = "ip" if version(protocol) == 4 else "ip6"
    plain = protocol.removesuffix("-ipv6")
    yield f"ether type {family}"
    if plain != "all":
        yield f"meta l4proto {PROTOCOLS[plain]}"
    yield from _macs(values, differs)
    yield from _addresses(family, values, differs)
    for side, word in (("src", "saddr"), ("dst", "daddr")):
        if f"{side}ipfrom" in values or f"{side}ipto" in values:
            yield f"{family} {word} {differs}{_between(values, side, protocol)}"
    if "dscp" in values:
        yield f"{family} dscp {differs}{_int(values['dscp'])}"
    yield from _ports(values, differs)
    for name in ("type", "code"):
        if name in values:
            yield f"{plain} {name} {differs}{_int(values[name])}"
    if "flags" in values:
        mask, wanted = map(_flags, values["flags"].split("/"))
        yield f"tcp flags & {mask} {differs or '== '}{wanted}"
    if "option" in values:
        yield f"tcp option {_int(values['option'])} {'missing' if differs else 'exists'}"


_REFUSED = {
    "connlimit-above": "bridges' nftables do not count connections; leave it out",
    "ipset": "nftables cannot ask sets of ipset; name the addresses, or a list variable",
    "ipsetflags": "nftables cannot ask sets of ipset; name the addresses, or a list variable",
}
_READERS: dict[str, Callable[[str, Values, str], Words]] = {
    "mac": _mac,
    "vlan": _vlan,
    "stp": _stp,
    "arp": _arp,
    "rarp": _arp,
    "ip": _ip,
    "ipv6": _ip,
}


def _macs(values: Values, differs: str) -> Words:
    for side, word in (("src", "saddr"), ("dst", "daddr")):
        text, mask = values.get(f"{side}macaddr"), values.get(f"{side}macmask", ALL_ONES)
        if text is None:
            continue
        if mask == ALL_ONES:
            yield f"ether {word} {differs}{text}"
        else:
            wanted = _mac_text(_mac_number(text) & _mac_number(mask))
            yield f"ether {word} & {mask} {differs or '== '}{wanted}"


def _addresses(family: str, values: Values, differs: str) -> Words:
    for side, word in (("src", "saddr"), ("dst", "daddr")):
        text, length = values.get(f"{side}ipaddr"), values.get(f"{side}ipmask")
        if text == LEARNED and length is not None:
            raise FilterUnsupported(
                f"{side}ipmask: an address that is learned has no mask; a parameter IP gives it"
            )
        if text is not None:
            yield f"{family} {word} {differs}{text}{f'/{length}' if length is not None else ''}"


def _between(values: Values, side: str, protocol: str) -> str:
    first, last = values.get(f"{side}ipfrom"), values.get(f"{side}ipto")
    if first is None or last is None:
        lacks = f"{side}ipfrom" if first is None else f"{side}ipto"
        raise FilterUnsupported(f"<{protocol}>: {lacks} is missing; a range of addresses has both ends")
    return first if first == last else f"{first}-{last}"


def _ports(values: Values, differs: str) -> Words:
    for side, word in (("src", "sport"), ("dst", "dport")):
        first, last = values.get(f"{side}portstart"), values.get(f"{side}portend")
        if first is None and last is not None:
            raise FilterUnsupported(
                f"{side}portend: {side}portstart is missing; a range of ports has both ends"
            )
        if first is not None:
            yield f"th {word} {differs}{_range(first, last)}"


def _range(first: str, last: str | None) -> str:
    """``1-5``. Raises FilterUnsupported for one whose end is before its start."""
    low, high = _int(first), _int(first if last is None else last)
    if high < low:
        raise FilterUnsupported(f"{first} to {last}: the end of a range is not before its start")
    return str(low) if low == high else f"{low}-{high}"


def _flags(text: str) -> str:
    named = {"ALL": "0x3f", "NONE": "0x0"}
    return named.get(text) or f"({' | '.join(text.lower().split(','))})"


def _masked(field: str, differs: str, value: int, mask: int, *, width: int = 12) -> str:
    if mask == (1 << 4 * width) - 1:
        return f"{field} {differs}{value:#0{width + 2}x}"
    return f"{field} & {mask:#0{width + 2}x} {differs or '== '}{value & mask:#0{width + 2}x}"


def _ether_type(text: str) -> str:
    return f"0x{ETHER_TYPES[text] if text in ETHER_TYPES else _int(text):04x}"


def _mac_number(text: str) -> int:
    return int(text.replace(":", ""), 16)


def _mac_text(number: int) -> str:
    return ":".join(f"{byte:02x}" for byte in number.to_bytes(6, "big"))


def _int(text: str) -> int:
    return int(text, 0)
