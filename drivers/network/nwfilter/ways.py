"""Which way a rule looks: a rule about what one side sends is one about the answers, too.

Source: libvirt's documentation of network filters, and the rules that libvirt 9 makes of each direction,
action and state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from embervirt.drivers.network.nwfilter.tree import Placed

Side = Literal["out", "in"]
"""From the guest, to the guest."""


@dataclass(frozen=True)
class Way:
    """``swapped``: source and destination change places. ``states``: of the connection, empty for any.

    ``of``: packets of the side that began the connection, or of the other; "" for both.
    """

    side: Side
    swapped: bool = False
    states: tuple[str, ...] = ()
    of: Literal["", "original", "reply"] = ""


SENDERS = frozenset({"srcmacaddr", "comment", "state", "ipset", "ipsetflags"})
"""A rule about packets with no more than these, and the first, says nothing about answers."""


def ways(rule: Placed) -> tuple[Way, ...]:
    """The guest's own frames first."""
    if rule.layer == "frame":
        return _frames(rule)
    values = rule.condition.values if rule.condition else {}
    found = _packets(rule, values)
    if "connlimit-above" in values or ("srcmacaddr" in values and values.keys() <= SENDERS):
        return tuple(way for way in found if not way.swapped)
    return found


def _packets(rule: Placed, values: Mapping[str, str]) -> tuple[Way, ...]:
    said = values.get("state", "")
    typed = "type" in values
    if not rule.stateful:
        return _own(rule, ()) if typed else _both(rule)
    if said:
        return _own(rule, () if said == "NONE" else tuple(said.split(",")))
    tracked = rule.action == "accept" and rule.direction != "inout" and "connlimit-above" not in values
    if typed:
        return _own(rule, ("NEW", "ESTABLISHED") if tracked else ())
    return _connection(rule) if tracked else _both(rule)


def _frames(rule: Placed) -> tuple[Way, ...]:
    if rule.direction == "inout":
        return Way("out", swapped=True), Way("in")
    return (Way("out") if rule.direction == "out" else Way("in"),)


def _own(rule: Placed, states: tuple[str, ...]) -> tuple[Way, ...]:
    """Of the side that sends only."""
    both = rule.direction == "inout"
    out, to = Way("out", swapped=both, states=states), Way("in", states=states)
    return {"out": (out,), "in": (to,), "inout": (out, to)}[rule.direction]


def _both(rule: Placed) -> tuple[Way, ...]:
    """What the side sends, and what it is sent from there."""
    out = rule.direction == "out"
    return Way("out", swapped=not out), Way("in", swapped=out)


def _connection(rule: Placed) -> tuple[Way, ...]:
    """Connections that the side begins, and the answers."""
    begun, answers = ("NEW", "ESTABLISHED"), ("ESTABLISHED",)
    if rule.direction == "out":
        return Way("out", False, begun, "original"), Way("in", True, answers, "reply")
    return Way("out", True, answers, "reply"), Way("in", False, begun, "original")
