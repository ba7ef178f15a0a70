"""From a reference to the rules of one interface: includes followed, variables filled in, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from embervirt.drivers.network.nwfilter.bindings import Condition, canonical
from embervirt.drivers.network.nwfilter.errors import FilterConflict, FilterUnsupported, FilterValue
from embervirt.drivers.network.nwfilter.model import PRIORITY, Filter, FilterRef, Rule
from embervirt.drivers.network.nwfilter.protocols import layer
from embervirt.drivers.network.nwfilter.values import ip
from embervirt.drivers.network.nwfilter.variables import LEARNED, Values, expanded, values_of

Lookup = Callable[[str], Filter | None]
"""A filter by its name."""

LEARNING = "CTRL_IP_LEARNING"
METHODS = ("any", "dhcp", "none")
"""How a guest's address is found when no parameter IP says it; the first when nothing is said."""


@dataclass(frozen=True)
class Placed:
    """A rule of one interface: in its chain, with all values. ``stateful``: answers pass by themselves."""

    chain: str
    order: int
    priority: int
    action: str
    direction: str
    stateful: bool
    condition: Condition | None

    @property
    def layer(self) -> str:
        """Whether it is asked about frames or, after those, about packets."""
        return layer(self.condition.protocol) if self.condition else "frame"


@dataclass(frozen=True)
class Interface:
    """What a filter is for: a guest's tap, its MAC address, the IPv4 addresses that it is known to have."""

    tap: str
    mac: str
    addresses: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Rules:
    """``learn``: the method by which the set of the guest's addresses is filled, "" when nobody asks it.

    ``servers``: addresses of DHCP servers that are believed, none for all.
    """

    placed: tuple[Placed, ...]
    learn: str = ""
    servers: tuple[str, ...] = ()


def instantiate(reference: FilterRef, interface: Interface, lookup: Lookup) -> Rules:
    """The rules of an interface, by priority; of one priority as they were written.

    Raises FilterValue (a filter or value that is missing, a value that cannot be), FilterConflict (filters
    that include each other), FilterUnsupported (a method of learning that nobody knows).
    """
    values = _known(reference, interface)
    found = sorted(_collected(reference.filter, values, lookup, ()), key=lambda each: each.priority)
    asked = any(LEARNED in each.condition.values.values() for each in found if each.condition)
    learn = values[LEARNING][0] if asked else ""
    believed = values.get("DHCPSERVER", ()) if learn == "dhcp" else ()
    return Rules(tuple(found), learn, tuple(_ipv4("DHCPSERVER", text) for text in believed))


def _ipv4(name: str, text: str) -> str:
    return canonical(name, ip(4), text, "<parameter>")


def _known(reference: FilterRef, interface: Interface) -> dict[str, tuple[str, ...]]:
    values = dict(values_of(reference))
    method = values.setdefault(LEARNING, METHODS[:1])[0].lower()
    if method not in METHODS:
        known = f"expected one of {', '.join(METHODS)}"
        raise FilterUnsupported(f"filter '{reference.filter}' learning value '{method}' invalid; {known}")
    values[LEARNING] = (method,)
    values.setdefault("MAC", (interface.mac,))
    if interface.addresses:
        values.setdefault("IP", interface.addresses)
    if method != "none":
        values.setdefault("IP", (LEARNED,))
    return values


def _collected(name: str, values: Values, lookup: Lookup, above: tuple[str, ...]) -> Iterator[Placed]:
    if name in above:
        raise FilterConflict(f"filter would introduce a loop: {' > '.join((*above, name))}")
    found = lookup(name)
    if found is None:
        raise FilterValue(f"referenced filter '{name}' is missing")
    for entry in found.entries:
        if isinstance(entry, FilterRef):
            # What stands further out counts.
            yield from _collected(entry.filter, {**values_of(entry), **values}, lookup, (*above, name))
        else:
            yield from _placed(found, entry, values)


def _placed(where: Filter, rule: Rule, values: Values) -> Iterator[Placed]:
    conditions = [None] if rule.condition is None else expanded(rule.condition, values)
    for condition in conditions:
        yield Placed(
            where.chain or "root",
            where.order,
            PRIORITY if rule.priority is None else rule.priority,
            rule.action,
            rule.direction,
            rule.statematch is not False,
            condition,
        )
