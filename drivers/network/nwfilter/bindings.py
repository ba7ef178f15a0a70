"""How what only filters have is read and written: one condition of many shapes, entries in their order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embervirt.drivers.network.nwfilter.errors import FilterValue
from embervirt.drivers.network.nwfilter.protocols import KINDS
from embervirt.drivers.network.nwfilter.values import Kind
from embervirt.drivers.xml import Element, reading, writing
from embervirt.drivers.xml.bindings import ABSENT, SELF, Binding
from embervirt.drivers.xml.reading import Node, Reading
from embervirt.drivers.xml.writing import Writer

_VARIABLE = re.compile(r"\$(\w+)(?:\[\s*(@?)\s*([0-9]{1,9})\s*\]\s*)?", re.ASCII)


@dataclass(frozen=True)
class Condition:
    """What a rule asks of a frame. ``values``: canonical texts by attribute, in the order of KINDS.

    ``negated``: each of them must not be so.
    """

    protocol: str
    values: Mapping[str, str] = field(default_factory=dict)
    negated: bool = False


@dataclass(frozen=True)
class Variable:
    """``$NAME``: each of its values; ``[2]``: one; ``[@1]``: each, by iterator 1 (``$NAME`` is by 0)."""

    name: str
    index: int = 0
    iterated: bool = True

    def __str__(self) -> str:
        if self.iterated and not self.index:
            return f"${self.name}"
        return f"${self.name}[{'@' if self.iterated else ''}{self.index}]"


def variable(text: str) -> Variable | None:
    """The variable that a text names; None for one that names none."""
    found = _VARIABLE.fullmatch(text)
    if found is None:
        return None
    name, iterator, index = found.groups()
    return Variable(name, int(index or 0), index is None or bool(iterator))


def canonical(name: str, kind: Kind, text: str, where: str) -> str:
    """As libvirt writes it. Raises FilterValue."""
    named = variable(text) if name != "comment" else None
    if named is not None:
        return str(named)
    try:
        return kind.canonical(text)
    except ValueError:
        shown = text[: reading.SHOWN]
        raise FilterValue(f"{where}: {name} has illegal value {shown}; expected {kind.accepts}") from None


@dataclass(frozen=True)
class Conditional(Binding):
    """The one child of a rule that says what it is about; none: it is about every frame."""

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(KINDS)

    @property
    def key(self) -> str:
        return SELF

    def read(self, given: Any, node: Node, seen: Reading) -> Any:
        found = [kid for kid in reading.elements(node) if kid.tag in KINDS]
        for stray in found[1:]:
            seen.note(stray)
        return _condition(found[0], seen) if found else ABSENT

    def write(self, value: Condition, out: Writer) -> None:
        negated = writing.attribute("match", "no") if value.negated and value.values else ""
        out.empty(
            value.protocol, negated + "".join(map(writing.attribute, value.values, value.values.values()))
        )


def _condition(node: Node, seen: Reading) -> Condition:
    protocol = str(node.tag)
    kinds = KINDS[protocol]
    for name in map(str, node.attrib):
        if name not in kinds and name != "match":
            seen.note(node, name)
    values = {
        name: canonical(name, kind, str(node.attrib[name]), reading.place(node, name))
        for name, kind in kinds.items()
        if name in node.attrib
    }
    match = node.get("match", "yes")
    if match not in ("yes", "no"):
        raise FilterValue(
            f"{reading.place(node, 'match')}: match has illegal value {match}; expected yes or no"
        )
    return Condition(protocol, values, match == "no")


@dataclass(frozen=True)
class Mixed(Binding):
    """Children of several classes, by their tags, in the document's order."""

    classes: tuple[type[Element], ...]

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(each.__schema__.tag for each in self.classes)

    @property
    def key(self) -> str:
        return SELF

    def read(self, given: Any, node: Node, seen: Reading) -> Any:
        known = {each.__schema__.tag: each.__schema__ for each in self.classes}
        return tuple(known[kid.tag].read(kid, seen) for kid in reading.elements(node) if kid.tag in known)

    def write(self, value: Any, out: Writer) -> None:
        for item in value:
            item.__schema__.write(item, out, item.__schema__.tag)
