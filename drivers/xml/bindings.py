"""The kinds of field an element can have. Each reads its value from a node and writes it back.

A value of None is absent in the XML. ``attributes``/``tags`` say which names a binding takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxml import etree

from embervirt.drivers.xml import reading, units, writing
from embervirt.drivers.xml.codecs import Choice, Codec, Integer
from embervirt.drivers.xml.errors import NumericalOverflow
from embervirt.drivers.xml.reading import Node, Reading
from embervirt.drivers.xml.writing import Writer
from embervirt.errors import XmlError, libvirtError

if TYPE_CHECKING:
    from embervirt.drivers.xml.element import Element

SELF = ""
"""The key of what is read from the element itself."""


class _Absent:
    """The document says nothing: the field's default counts."""


ABSENT = _Absent()
_UNIT = units.Unit()
_COUNT = Integer()


@dataclass(frozen=True)
class Binding:
    """What one field of a class is in the XML."""

    name: str

    @property
    def attributes(self) -> tuple[str, ...]:
        """Attributes of the element that this field stands for."""
        return ()

    @property
    def tags(self) -> tuple[str, ...]:
        """Child elements that this field stands for."""
        return (self.name,)

    @property
    def key(self) -> str:
        """What it reads: the tag of children, ``@`` and an attribute's name, or SELF."""
        return self.name

    @property
    def inside(self) -> bool:
        """Whether ``write`` writes something."""
        return True

    def read(self, given: Any, node: Node, seen: Reading) -> Any:
        """The value, or ABSENT. ``given`` is what ``node`` has under ``key``: children, a text, or itself."""
        return self.read_child(given[0], seen)

    def read_child(self, node: Node, seen: Reading) -> Any:
        """The value of the (first) child element this field stands for."""
        raise TypeError(f"{type(self).__name__} is not a child element")

    def attribute_writer(self) -> Callable[[Any], str]:
        """Of what a value adds to the attributes of the element."""
        raise TypeError(f"{type(self).__name__} is not an attribute")

    def write(self, value: Any, out: Writer) -> None:
        """Add to what is inside the element."""

    def missing(self, node: Node) -> libvirtError:
        """The error for a required field that is not there."""
        return XmlError(f"{reading.place(node)}: element <{self.name}> is missing")


@dataclass(frozen=True)
class Attribute(Binding):
    """``absent``: what the lack of a required one raises."""

    codec: Codec[Any]
    absent: type[libvirtError] = XmlError

    @property
    def attributes(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def tags(self) -> tuple[str, ...]:
        return ()

    @property
    def key(self) -> str:
        return f"@{self.name}"

    @property
    def inside(self) -> bool:
        return False

    def read(self, given: Any, node: Node, seen: Reading) -> Any:
        return reading.decode(self.codec, node, given, self.name)

    def attribute_writer(self) -> Callable[[Any], str]:
        encode, start, quoted = self.codec.encode, f" {self.name}='", writing.quoted
        if self.codec.plain:
            return lambda value: f"{start}{encode(value)}'"
        if not isinstance(self.codec, Choice):
            return lambda value: f"{start}{quoted(encode(value))}'"
        known = {word: f"{start}{quoted(word)}'" for word in self.codec.values}
        return lambda value: known.get(value) or f"{start}{quoted(encode(value))}'"

    def missing(self, node: Node) -> libvirtError:
        return self.absent(
            f"{reading.place(node)}: attribute '{self.name}' is missing; expected {self.codec.accepts}"
        )


@dataclass(frozen=True)
class ChildText(Binding):
    """A child with nothing but text; an empty one is an absent one, as libvirt has it."""

    codec: Codec[Any]

    def read_child(self, node: Node, seen: Reading) -> Any:
        note_stray(node, seen)
        text = reading.content(node)
        return reading.decode(self.codec, node, text) if text else ABSENT

    def write(self, value: Any, out: Writer) -> None:
        text = self.codec.encode(value)
        if text:
            out.text_element(self.name, text)


@dataclass(frozen=True)
class Content(Binding):
    """The text of the element itself (without the blanks between child elements); empty is absent."""

    codec: Codec[Any]

    @property
    def tags(self) -> tuple[str, ...]:
        return ()

    @property
    def key(self) -> str:
        return SELF

    def read(self, given: Any, node: Node, seen: Reading) -> Any:
        text = reading.content(node)
        if next(reading.elements(node), None) is not None:
            text = text.strip()
        return reading.decode(self.codec, node, text) if text else ABSENT

    def write(self, value: Any, out: Writer) -> None:
        out.content(self.codec.encode(value))

    def missing(self, node: Node) -> XmlError:
        expected = self.codec.accepts
        return XmlError(f"{reading.place(node)}: the element is empty; expected {expected}")


@dataclass(frozen=True)
class Size(Binding):
    """A child's text and its ``unit`` attribute (KiB when there is none) as a number of KiB.

    ``beside``: other attributes of it, which fields of their own stand for.
    """

    beside: tuple[str, ...] = ()

    def read_child(self, node: Node, seen: Reading) -> int:
        note_stray(node, seen, ("unit", *self.beside))
        return amount(node, reading.content(node))

    def write(self, value: Any, out: Writer) -> None:
        out.text_element(self.name, str(value), " unit='KiB'")


@dataclass(frozen=True)
class Bytes(Binding):
    """A child's text and its ``unit`` attribute (bytes when there is none) as a number of bytes.

    ``unit``: the word for bytes that is written. An empty child is an absent one.
    """

    unit: str

    def read_child(self, node: Node, seen: Reading) -> Any:
        note_stray(node, seen, ("unit",))
        text = reading.content(node)
        if not text:
            return ABSENT
        unit = reading.decode(_UNIT, node, node.get("unit", "bytes"), "unit")
        return checked(node, reading.decode(_COUNT, node, text) * unit, text)

    def write(self, value: Any, out: Writer) -> None:
        out.text_element(self.name, str(value), writing.attribute("unit", self.unit))


@dataclass(frozen=True)
class Amount(Binding):
    """The element's text, or its attribute ``name``, and its attribute ``unit`` as a number of KiB.

    ``largest``: written in the largest unit of which it is a whole number. ``usual``: the unit when it
    says none.
    """

    largest: bool = False
    usual: str = "KiB"

    @property
    def attributes(self) -> tuple[str, ...]:
        return (self.name, "unit") if self.name else ("unit",)

    @property
    def tags(self) -> tuple[str, ...]:
        return ()

    @property
    def key(self) -> str:
        return f"@{self.name}" if self.name else SELF

    @property
    def inside(self) -> bool:
        return not self.name

    def read(self, given: Any, node: Node, seen: Reading) -> Any:
        return amount(node, given if self.name else reading.content(node), self.name, self.usual)

    def attribute_writer(self) -> Callable[[Any], str]:
        return self._as_attributes

    def _as_attributes(self, value: Any) -> str:
        count, unit = units.largest(value) if self.largest else (value, "KiB")
        number = writing.attribute(self.name, str(count)) if self.name else ""
        return number + writing.attribute("unit", unit)

    def write(self, value: Any, out: Writer) -> None:
        out.content(str(units.largest(value)[0] if self.largest else value))

    def missing(self, node: Node) -> XmlError:
        return XmlError(f"{reading.place(node)}: attribute '{self.name}' is missing; expected a size")


@dataclass(frozen=True)
class Beside(Binding):
    """An attribute of a child that another field stands for; that field is declared before this one."""

    attribute: str
    codec: Codec[Any]

    def read_child(self, node: Node, seen: Reading) -> Any:
        value = node.get(self.attribute)
        return ABSENT if value is None else reading.decode(self.codec, node, value, self.attribute)

    def write(self, value: Any, out: Writer) -> None:
        out.amend(self.name, self.attribute, self.codec.encode(value))


@dataclass(frozen=True)
class Child(Binding):
    cls: type[Element]

    def read_child(self, node: Node, seen: Reading) -> Any:
        return self.cls.__schema__.read(node, seen)

    def write(self, value: Any, out: Writer) -> None:
        value.__schema__.write(value, out, self.name)


@dataclass(frozen=True)
class Children(Child):
    def read(self, given: Any, node: Node, seen: Reading) -> Any:
        return tuple(self.cls.__schema__.read(kid, seen) for kid in given)

    def write(self, value: Any, out: Writer) -> None:
        for item in value:
            item.__schema__.write(item, out, self.name)


@dataclass(frozen=True)
class Nested(Child):
    """A child in which the next of its kind stands, and so on: the outermost first."""

    def read_child(self, node: Node, seen: Reading) -> Any:
        found = []
        inner: Node | None = node
        while inner is not None:
            found.append(self.cls.__schema__.read(inner, seen))
            inner = next((kid for kid in reading.elements(inner) if kid.tag == self.name), None)
        return tuple(found)

    def write(self, value: Any, out: Writer) -> None:
        for item in value:
            item.__schema__.open(item, out, self.name, keep=True)
        for _ in value:
            out.end(self.name)


@dataclass(frozen=True)
class Variant(Binding):
    """A child of one name and several shapes; its attribute ``by`` says which class it is."""

    by: str
    classes: dict[str, type[Element]]
    later: tuple[str, ...] = ()
    error: type[libvirtError] = XmlError
    absent: type[libvirtError] = XmlError

    def read_child(self, node: Node, seen: Reading) -> Any:
        given = node.get(self.by)
        known = Choice(tuple(self.classes), self.error, self.later)
        if given is None:
            raise self.absent(
                f"{reading.place(node)}: attribute '{self.by}' is missing; expected {known.accepts}"
            )
        return self.classes[reading.decode(known, node, given, self.by)].__schema__.read(node, seen)

    def write(self, value: Any, out: Writer) -> None:
        value.__schema__.write(value, out, self.name)


@dataclass(frozen=True)
class Flag(Binding):
    def read_child(self, node: Node, seen: Reading) -> bool:
        note_stray(node, seen)
        return True

    def write(self, value: Any, out: Writer) -> None:
        if value:
            out.text_element(self.name, "")


@dataclass(frozen=True)
class Raw(Binding):
    """A child element kept as the text it was."""

    def read_child(self, node: Node, seen: Reading) -> str:
        return verbatim(node)

    def write(self, value: Any, out: Writer) -> None:
        out.verbatim(value)


@dataclass(frozen=True)
class Foreign(Binding):
    """Every child element of a foreign namespace, each kept as the text it was."""

    @property
    def tags(self) -> tuple[str, ...]:
        return ()

    @property
    def key(self) -> str:
        return SELF

    def read(self, given: Any, node: Node, seen: Reading) -> tuple[str, ...]:
        return tuple(verbatim(kid) for kid in reading.elements(node) if str(kid.tag).startswith("{"))

    def write(self, value: Any, out: Writer) -> None:
        for item in value:
            out.verbatim(item)


def amount(node: Node, text: str, attribute: str = "", usual: str = "KiB") -> int:
    """``text`` in the unit that the node's ``unit`` names (``usual``: without one), in KiB."""
    unit = reading.decode(_UNIT, node, node.get("unit", usual), "unit")
    count = reading.decode(_COUNT, node, text, attribute)
    try:
        return units.kib(count, unit)
    except ValueError:
        raise NumericalOverflow(
            f"{reading.place(node)}: value too large: {count}{node.get('unit', usual)};"
            f" at most {units.LIMIT} bytes"
        ) from None


def checked(node: Node, size: int, text: str) -> int:
    """``size`` in bytes, when it is not above LIMIT. Raises NumericalOverflow."""
    if size > units.LIMIT:
        what = f"value too large: {text}{node.get('unit', '')}"
        raise NumericalOverflow(f"{reading.place(node)}: {what}; at most {units.LIMIT} bytes")
    return size


def verbatim(node: Node) -> str:
    """The text of a subtree, with the namespace declarations it needs."""
    return etree.tostring(node, encoding="unicode", with_tail=False)


def note_stray(node: Node, seen: Reading, known: tuple[str, ...] = ()) -> None:
    """Note what stands in or on an element that has nothing but text."""
    for name in node.keys():  # noqa: SIM118 - an lxml node is not a dict
        if name not in known:
            seen.note(node, str(name))
    if len(node):
        for kid in reading.elements(node):
            seen.note(kid)
