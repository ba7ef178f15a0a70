"""``<filter>``: rules, and references to other filters.

A guest's interface has a ``<filterref>``, whose parameters are values of the variables that rules name.
"""

from __future__ import annotations

import dataclasses

from embervirt.drivers.network.nwfilter.bindings import Condition, Conditional, Mixed
from embervirt.drivers.network.nwfilter.errors import FilterUnsupported, FilterXml
from embervirt.drivers.xml import Codec, Element, Text, attr, children, choice, integer, text, uuid
from embervirt.drivers.xml.fields import KEY

CHAINS = {"mac": -800, "vlan": -750, "stp": 0, "arp": -500, "rarp": -400, "ipv4": -700, "ipv6": -600}
"""What a chain's name may begin with, and the priority of such a chain that says none."""

PRIORITY = 500
"""Of a rule that says none; the lowest is asked first."""

_priority = integer(-1000, 1000, FilterXml)


@dataclasses.dataclass(frozen=True)
class StateMatch(Codec[bool]):
    """``0`` and ``false`` in any case: answers do not pass with what they answer."""

    error: type[FilterXml] = FilterXml

    @property
    def accepts(self) -> str:
        return "one of: 0, false, 1, true"

    def decode(self, text: str) -> bool:
        if text.lower() not in ("0", "false", "1", "true"):
            raise ValueError(text)
        return text.lower() in ("1", "true")

    def encode(self, value: bool) -> str:
        return "true" if value else "false"


class Parameter(Element, tag="parameter"):
    """A value of a variable; several of one name are its list."""

    name: str = attr("name", Text("[a-zA-Z0-9_]+", "letters, digits and _", FilterXml))
    value: str = attr("value", Text("[a-zA-Z0-9_.:]+", "letters, digits and _.:", FilterXml))


class FilterRef(Element, tag="filterref"):
    """Another filter, included with more variables."""

    filter: str = attr("filter")
    parameters: tuple[Parameter, ...] = children(Parameter, default=())


class Rule(Element, tag="rule"):
    """``direction``: as the guest sees it. Without a condition it is about every frame."""

    action: str = attr(
        "action", choice("drop", "accept", "reject", "return", "continue", error=FilterUnsupported)
    )
    direction: str = attr("direction", choice("in", "out", "inout", error=FilterUnsupported))
    priority: int | None = attr("priority", _priority, default=None)
    statematch: bool | None = attr("statematch", StateMatch(), default=None)
    condition: Condition | None = dataclasses.field(default=None, metadata={KEY: Conditional("condition")})


class Filter(Element, tag="filter"):
    """``entries``: rules and references in their order. ``chain``: "root", or one that root asks."""

    name: str = attr("name")
    chain: str | None = attr("chain", default=None)
    priority: str | None = attr("priority", default=None)
    uuid: str | None = text("uuid", uuid, default=None)
    entries: tuple[Rule | FilterRef, ...] = dataclasses.field(
        default=(), metadata={KEY: Mixed("entries", (FilterRef, Rule))}
    )

    @property
    def order(self) -> int:
        """The place of its chain among the rules of root; of one that was read."""
        return int(self.priority or 0)
