"""Connections, as a filter on a bridge knows them: sets of nftables that packets fill and time empties.

The kernel's own connection tracking for bridges is a module that not every kernel has, and one state for
the whole host; a set of an interface's own goes with its table. What differs: a fragment after the first
belongs to no connection, RELATED is the ICMP error that may belong to any, and no packet is INVALID. When the
rules are replaced, a connection is known again with the next packet of the side that began it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from embervirt.drivers.network.nwfilter.values import PROTOCOLS
from embervirt.drivers.network.nwfilter.ways import Way

DCCP = 33
STREAMS = (PROTOCOLS["tcp"], PROTOCOLS["sctp"], DCCP)
DATAGRAMS = (PROTOCOLS["udp"], PROTOCOLS["udplite"])

STREAM_TIME, DATAGRAM_TIME = "1d", "10m"
"""Without a packet for so long a connection is forgotten."""

MOST = 65535
"""Connections that a set holds; one more than that is not let through."""

ERRORS = {4: ("icmp", "3, 4, 11, 12"), 6: ("icmpv6", "1, 2, 3, 4")}
"""Unreachable, source quench, time exceeded, parameter problem; and those of RFC 4443."""


@dataclass(frozen=True)
class Group:
    """Packets that are told apart alike. ``asks``: what says that a packet is one of them, "" when known."""

    ports: bool
    time: str
    asks: str = ""


def groups(protocol: str) -> tuple[Group, ...]:
    """Those that a rule's packets fall into; ``protocol``: its element, without -ipv6."""
    number = PROTOCOLS.get(protocol)
    if number is not None:
        ports = number in STREAMS + DATAGRAMS
        return (Group(ports, STREAM_TIME if number in STREAMS else DATAGRAM_TIME),)
    return (
        Group(True, STREAM_TIME, f"meta l4proto {_set(STREAMS)}"),
        Group(True, DATAGRAM_TIME, f"meta l4proto {_set(DATAGRAMS)}"),
        Group(False, DATAGRAM_TIME, f"meta l4proto != {_set(STREAMS + DATAGRAMS)}"),
    )


def sets(version: int) -> dict[str, str]:
    """The declarations of a version's sets, by name."""
    address, rest = f"ipv{version}_addr", f"size {MOST}; flags dynamic,timeout; timeout {DATAGRAM_TIME};"
    ported = f"inet_proto . {address} . inet_service . {address} . inet_service"
    return {
        _name(version, ports=True): f"type {ported}; {rest}",
        _name(version, ports=False): f"type inet_proto . {address} . {address}; {rest}",
    }


def lines(protocol: str, version: int, way: Way, *, accept: bool) -> Iterator[list[str]]:
    """What a rule asks about the connection, and writes down; one of the lines has to be true."""
    if not way.states:
        yield []
        return
    if "RELATED" in way.states:
        family, types = ERRORS[version]
        yield [f"meta l4proto {PROTOCOLS[family]}", f"{family} type {{ {types} }}"]
    for group in groups(protocol):
        for line in _of_group(group, version, way, accept=accept):
            yield [group.asks, *line] if group.asks else line


def _of_group(group: Group, version: int, way: Way, *, accept: bool) -> Iterator[list[str]]:
    name = f"@{_name(version, ports=group.ports)}"
    here, back = _key(version, group.ports), _key(version, group.ports, answer=True)
    note = [f"update {name} {{ {here} timeout {group.time} }}"] if accept else []
    new, known = "NEW" in way.states, "ESTABLISHED" in way.states
    if way.of == "reply":
        yield [f"{back} {name}"]
    elif new and known:
        yield note
    elif new:
        yield [f"{back} != {name}", *note]
    elif known:
        yield [f"{here} {name}"]
        yield [f"{back} {name}"]


def _key(version: int, ports: bool, *, answer: bool = False) -> str:
    family = "ip" if version == 4 else "ip6"
    ends = [[f"{family} saddr", "th sport"], [f"{family} daddr", "th dport"]]
    ordered = reversed(ends) if answer else ends
    return " . ".join(["meta l4proto", *(word for end in ordered for word in (end if ports else end[:1]))])


def _name(version: int, *, ports: bool) -> str:
    return f"{'flows' if ports else 'pairs'}{version}"


def _set(numbers: tuple[int, ...]) -> str:
    return f"{{ {', '.join(map(str, numbers))} }}"
