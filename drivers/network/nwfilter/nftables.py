"""The rules of an interface as nftables: one table of family bridge for a tap.

Frames from the guest are seen before the bridge forwards them or gives them to the host, frames to it when
they leave through its tap. Rules about frames are asked first, in the chain ``root`` and those that it asks
in their turn; what they accept, or nobody minds, is shown to the rules about packets. ``reject`` is ``drop``
here: not every kernel can answer from a bridge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from embervirt.drivers.network.nwfilter import flows
from embervirt.drivers.network.nwfilter.bindings import Condition
from embervirt.drivers.network.nwfilter.errors import FilterUnsupported
from embervirt.drivers.network.nwfilter.matching import STP_GROUP, matches
from embervirt.drivers.network.nwfilter.model import CHAINS
from embervirt.drivers.network.nwfilter.protocols import version
from embervirt.drivers.network.nwfilter.tree import Interface, Placed, Rules
from embervirt.drivers.network.nwfilter.variables import LEARNED
from embervirt.drivers.network.nwfilter.ways import Side, Way, ways

HOOKS: dict[Side, tuple[str, str]] = {"out": ("prerouting", "iifname"), "in": ("postrouting", "oifname")}
LEARN_AT, FRAMES_AT, PACKETS_AT = -310, -300, -290
"""Priorities; the first is asked first."""

COMMENT = 128
"""Bytes that nftables keeps of a comment."""

_ASKED = {
    "mac": "",
    "vlan": "ether type 0x8100 ",
    "arp": "ether type 0x0806 ",
    "rarp": "ether type 0x8035 ",
    "ipv4": "ether type 0x0800 ",
    "ipv6": "ether type 0x86dd ",
    "stp": f"ether daddr {STP_GROUP} ",
}
"""Which frames a chain of root is asked about, by the beginning of its name."""

_VERDICTS = {"accept": "accept", "drop": "drop", "reject": "drop", "return": "return", "continue": "continue"}

LEARNED_MOST = {"any": 1, "dhcp": 16}
"""Addresses of a guest that are learned, by method; the first stay."""

DHCP_ACK = 0x350105
"""The option that says what kind of answer it is; servers write it first. Source: RFC 2131, RFC 2132."""


def ruleset(rules: Rules, interface: Interface, table: str) -> str:
    """For ``nft -f``, which takes it whole or not at all: it replaces the table. Raises FilterUnsupported."""
    body = "".join((*_sets(rules), *_learning(rules, interface), *_layers(rules, interface)))
    return f"{gone(table)}table bridge {table} {{\n{body}}}\n"


def gone(table: str) -> str:
    """For ``nft -f``: the table is not there, whether it was or not."""
    return f"table bridge {table}\ndelete table bridge {table}\n"


def _sets(rules: Rules) -> Iterator[str]:
    if rules.learn:
        yield f"\tset learned {{ type ipv4_addr; size {LEARNED_MOST[rules.learn]}; flags dynamic; }}\n"
    tracked = [
        version(rule.condition.protocol)
        for rule in rules.placed
        if rule.condition and rule.layer == "packet" and any(way.states for way in ways(rule))
    ]
    for each in sorted({*tracked}):
        yield from (f"\tset {name} {{ {text} }}\n" for name, text in flows.sets(each).items())


def _learning(rules: Rules, interface: Interface) -> Iterator[str]:
    """What fills the set of the guest's addresses. An addition to a full set ends the rule, and no more."""
    if rules.learn == "any":
        asked = f"{_through('out', interface.tap)} ether saddr {interface.mac}"
        yield _base("learn", "out", LEARN_AT, [f"{asked} {line}" for line in _used()])
    if rules.learn == "dhcp":
        asked = f"{_through('in', interface.tap)} ether type ip {_servers(rules)}udp sport 67 udp dport 68"
        mac = interface.mac.replace(":", "")
        given = f"@th,288,48 0x{mac} @th,1984,24 {DHCP_ACK:#x} add {LEARNED} {{ @th,192,32 }}"
        yield _base("learn", "in", LEARN_AT, [f"{asked} {given}"])


def _used() -> Iterator[str]:
    """The address that the guest first sends from, or asks others by ARP from."""
    for field in ("ip saddr", "arp saddr ip"):
        yield f"{field} != 0.0.0.0 add {LEARNED} {{ {field} }}"


def _servers(rules: Rules) -> str:
    return f"ip saddr {{ {', '.join(rules.servers)} }} " if rules.servers else ""


def _layers(rules: Rules, interface: Interface) -> Iterator[str]:
    for side in HOOKS:
        frames = list(_sided(rules, "frame", side))
        packets = [line for _, found in _sided(rules, "packet", side) for line in found]
        chains: dict[str, list[str]] = {}
        for rule, found in frames:
            chains.setdefault(rule.chain, []).extend(found)
        for name, lines in chains.items():
            if name != "root":
                yield _chain(_named(side, name), lines)
        if frames:
            yield _chain(_named(side, "root"), _root(frames, side))
            yield _base(f"{side}-frames", side, FRAMES_AT, [_jump(side, interface.tap, "root")])
        if packets:
            yield _chain(_named(side, "packets"), packets)
            yield _base(f"{side}-packets", side, PACKETS_AT, [_jump(side, interface.tap, "packets")])


def _sided(rules: Rules, layer: str, side: Side) -> Iterator[tuple[Placed, list[str]]]:
    """Rules of a layer that look at one side's frames, with their lines."""
    for rule in rules.placed:
        if rule.layer == layer:
            found = [line for way in ways(rule) if way.side == side for line in _lines(rule, way)]
            if found:
                yield rule, found


def _root(frames: list[tuple[Placed, list[str]]], side: Side) -> list[str]:
    """Its own rules, and the chains that it asks: by priority, chains first."""
    jumps = {
        rule.chain: (rule.order, 0, [f"{_about(rule.chain)}jump {_named(side, rule.chain)}"])
        for rule, _ in frames
        if rule.chain != "root"
    }
    own = [(rule.priority, 1, found) for rule, found in frames if rule.chain == "root"]
    ordered = sorted([*jumps.values(), *own], key=lambda each: each[:2])
    return [line for _, _, found in ordered for line in found]


def _about(chain: str) -> str:
    return _ASKED[next(prefix for prefix in CHAINS if chain.startswith(prefix))]


def _lines(rule: Placed, way: Way) -> Iterator[str]:
    condition = rule.condition or Condition("mac")
    asked = matches(condition, answer=way.swapped)
    verdict = _VERDICTS[rule.action] + _comment(condition.values.get("comment", ""))
    if rule.layer == "frame":
        yield " ".join([*asked, verdict])
        return
    protocol = condition.protocol.removesuffix("-ipv6")
    for line in flows.lines(protocol, version(condition.protocol), way, accept=rule.action == "accept"):
        yield " ".join([*asked, *line, verdict])


def _comment(text: str) -> str:
    """Without what ends a string, and as long as nftables has it."""
    plain = re.sub(r'["\\]|[^\x20-\x7e]', "", text)[:COMMENT].strip()
    return f' comment "{plain}"' if plain else ""


def _named(side: Side, chain: str) -> str:
    """nft takes no colon in a name."""
    return f"{side}-{chain.replace(':', '/')}"


def _jump(side: Side, tap: str, chain: str) -> str:
    return f"{_through(side, tap)} jump {_named(side, chain)}"


def _through(side: Side, tap: str) -> str:
    """Of the frames of one side, through the tap. Raises FilterUnsupported."""
    if not tap or any(letter in '"*\\' or not letter.isprintable() for letter in tap):
        raise FilterUnsupported(
            f"link '{tap}': nftables takes no name with a quote, '*', '\\' or control character"
        )
    return f'{HOOKS[side][1]} "{tap}"'


def _base(name: str, side: Side, priority: int, lines: list[str]) -> str:
    hook = f"type filter hook {HOOKS[side][0]} priority {priority}; policy accept;"
    return _chain(f"{name}-hook", [hook, *lines])


def _chain(name: str, lines: list[str]) -> str:
    return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"
