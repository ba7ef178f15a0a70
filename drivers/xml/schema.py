"""What a class declares, ready for reading and writing: tables of functions, made once for a class.

An object holds what its document says and nothing else; what it does not hold is its class's default.
So an object of forty fields, of which four are said, costs four.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from embervirt.drivers.xml import reading
from embervirt.drivers.xml.bindings import ABSENT, SELF, Binding, Content, Foreign
from embervirt.drivers.xml.reading import Node, Reading
from embervirt.drivers.xml.writing import Writer
from embervirt.errors import ConfigUnsupported, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.xml.element import Element

Reader = tuple[str, str, Callable[[Any, Node, Reading], Any]]
"""A field, the key of what it reads, and how."""


fill = object.__setattr__
"""``fill(made, "__dict__", values)`` gives a new object its fields, in a dict that nobody else holds."""

AttributeWriter = tuple[str, Any, Callable[[Any], str]]
ChildWriter = tuple[str, Any, Callable[[Any, Writer], None]]
"""A field, what it is unless it is given, and what writes it."""

Plan = tuple[tuple[AttributeWriter, ...], tuple[ChildWriter, ...]]
MOST_PLANS = 256
"""Of one class: what XML can say in so many ways is planned anew now and then."""

MOST_ATTRIBUTES = 1000
"""Of one element: libxml2 looks for each value among all of them."""


@dataclass(frozen=True)
class Schema:
    """``defaults`` has the fields that need not be given."""

    cls: type[Element]
    tag: str
    bindings: Mapping[str, Binding]
    required: frozenset[str]
    defaults: Mapping[str, Any]
    refuse: frozenset[str]
    closed: bool
    nested: str | None

    @cached_property
    def names(self) -> frozenset[str]:
        """Of all its fields."""
        return frozenset(self.bindings)

    @cached_property
    def attributes(self) -> dict[str, None]:
        """The attributes that the class declares, in their order."""
        return dict.fromkeys(name for binding in self.bindings.values() for name in binding.attributes)

    @cached_property
    def tags(self) -> dict[str, None]:
        """The child elements that the class declares, in their order."""
        return dict.fromkeys(name for binding in self.bindings.values() for name in binding.tags)

    @cached_property
    def foreign(self) -> bool:
        """Whether children of other namespaces are kept."""
        return any(isinstance(binding, Foreign) for binding in self.bindings.values())

    # Reading.

    @cached_property
    def _readers(self) -> tuple[Reader, ...]:
        return tuple((name, binding.key, binding.read) for name, binding in self.bindings.items())

    @cached_property
    def _required(self) -> dict[str, Binding]:
        """In the order in which they are missed."""
        return {name: binding for name, binding in self.bindings.items() if name in self.required}

    @cached_property
    def _plain_tags(self) -> frozenset[str]:
        nested = {self.nested} if self.nested else set()
        return frozenset(({*self.tags} | nested) - self.refuse)

    @cached_property
    def _plain_attributes(self) -> frozenset[str]:
        return frozenset(name for name in self.attributes if f"@{name}" not in self.refuse)

    def read(self, node: Node, seen: Reading) -> Any:
        """An object of the class from a node; XmlError (or a leaf) says what is wrong where."""
        found = self._found(node, seen)
        values = {}
        for name, key, read in self._readers:
            given = found.get(key)
            if given is not None:
                value = read(given, node, seen)
                if value is not ABSENT:
                    values[name] = value
        if not values.keys() >= self.required:
            raise next(each.missing(node) for name, each in self._required.items() if name not in values)
        made: Any = object.__new__(self.cls)
        fill(made, "__dict__", values)
        return made

    def _found(self, node: Node, seen: Reading) -> dict[str, Any]:
        """What a node has: lists of children by their tag, text by ``@`` and the attribute's name."""
        found: dict[str, Any] = {SELF: node}
        for kid in node:
            tag: Any = kid.tag
            if tag in self._plain_tags or self._keeps(kid, tag, seen):
                found.setdefault(tag, []).append(kid)
        if len(node.attrib) > MOST_ATTRIBUTES:
            raise XmlError(f"{reading.place(node)}: more than {MOST_ATTRIBUTES} attributes on one element")
        for name, text in node.items():
            if name in self._plain_attributes or self._keeps_attribute(node, str(name), seen):
                found["@" + name] = text  # type: ignore[operator]  # the stubs allow bytes
        return found

    def _keeps(self, kid: Node, tag: Any, seen: Reading) -> bool:
        """What is to become of a child that the class does not declare; False for a comment."""
        if not isinstance(tag, str):
            return False
        if tag in self.refuse or (self.closed and tag not in self.tags):
            raise self._refused(kid, f"<{tag}>", self.tags)
        if not (self.foreign and tag.startswith("{")):
            seen.note(kid)
        return True

    def _keeps_attribute(self, node: Node, name: str, seen: Reading) -> bool:
        if f"@{name}" in self.refuse:
            raise self._refused(node, f"attribute '{name}'", self.attributes, name)
        if not name.startswith("{"):
            seen.note(node, name)
        return False

    def _refused(self, node: Node, what: str, known: Iterable[str], attribute: str = "") -> ConfigUnsupported:
        accepted = ", ".join(known) or "nothing"
        where = reading.place(node, attribute)
        return ConfigUnsupported(f"{where}: {what} is not supported; <{self.tag}> accepts: {accepted}")

    # Writing.

    @cached_property
    def _attribute_writers(self) -> tuple[AttributeWriter, ...]:
        return tuple(
            (name, self.defaults.get(name), binding.attribute_writer())
            for name, binding in self.bindings.items()
            if binding.attributes
        )

    @cached_property
    def _child_writers(self) -> tuple[ChildWriter, ...]:
        """The element's own text first. No children are nothing to write."""
        ordered = sorted(self.bindings.items(), key=lambda pair: not isinstance(pair[1], Content))
        return tuple(
            (name, None if (default := self.defaults.get(name)) == () else default, binding.write)
            for name, binding in ordered
            if binding.inside
        )

    @cached_property
    def _plans(self) -> dict[tuple[str, ...], Plan]:
        return {}

    def _plan(self, given: dict[str, Any]) -> Plan:
        """What of an object that holds just these fields may have something to write.

        Objects of a class hold the same few fields again and again, of many.
        """
        key = tuple(given)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            plan = self._plans[key] = (
                tuple(each for each in self._attribute_writers if each[0] in given or each[1] is not None),
                tuple(each for each in self._child_writers if each[0] in given or each[1] is not None),
            )
        return plan

    def write(self, value: Element, out: Writer, tag: str) -> None:
        """Write an object of the class as an element named ``tag``."""
        if self.open(value, out, tag):
            out.end(tag)

    def open(self, value: Element, out: Writer, tag: str, *, keep: bool = False) -> bool:
        """``write`` but for the end of the element, if it is to have one: one without anything that may
        stand inside is whole, unless ``keep``."""
        given = value.__dict__
        attributes, children = self._plan(given)
        found = ""
        for name, default, text in attributes:
            item = given.get(name, default)
            if item is not None:
                found += text(item)
        if not children and not keep:
            out.empty(tag, found)
            return False
        out.begin(tag, found)
        for name, default, write in children:
            item = given.get(name, default)
            if item is not None:
                write(item, out)
        return True
