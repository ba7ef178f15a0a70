"""``Element``: a class is an XML element, a line is a field.

::

    class Usage(Element, tag="usage"):
        type: str = attr("type", choice("volume", "ceph"))
        name: str | None = text("name", default=None)

The class becomes a frozen, keyword-only dataclass (type checkers know it by PEP 681). Fields are
written in their order, attributes before children. Class keywords: ``tag``; ``refuse``, names that
libvirt knows and that are not served here (``"graphics"``, ``"@snapshot"``, ``"{namespace}name"``)
and raise ConfigUnsupported; ``closed``, which makes every undeclared child such a name; ``nested``,
the child that a ``nested`` field of its parent reads.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar, dataclass_transform

from embervirt.drivers.xml import reading
from embervirt.drivers.xml.bindings import ABSENT, Binding, Content, Foreign, Kids
from embervirt.drivers.xml.fields import (
    KEY,
    amount,
    attr,
    beside,
    child,
    children,
    content,
    flag,
    foreign,
    nested,
    raw,
    size,
    text,
    variant,
)
from embervirt.drivers.xml.reading import Node, Reading
from embervirt.drivers.xml.writing import Writer
from embervirt.errors import ConfigUnsupported

E = TypeVar("E", bound="Element")


@dataclass(frozen=True)
class Schema:
    """What a class declares, ready for reading and writing."""

    cls: type[Element]
    tag: str
    bindings: Mapping[str, Binding]
    required: tuple[str, ...]
    refuse: frozenset[str]
    closed: bool
    nested: str | None

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

    def read(self, node: Node, seen: Reading) -> Any:
        """An object of the class from a node; XmlError (or a leaf) says what is wrong where."""
        kids = self._kids(node, seen)
        self._check_attributes(node, seen)
        values = {name: binding.read(node, kids, seen) for name, binding in self.bindings.items()}
        for name in self.required:
            if values[name] is ABSENT:
                raise self.bindings[name].missing(node)
        return self.cls(**{name: value for name, value in values.items() if value is not ABSENT})

    def _kids(self, node: Node, seen: Reading) -> Kids:
        kids: Kids = {}
        for kid in reading.elements(node):
            tag = str(kid.tag)
            if tag in self.refuse or (self.closed and tag not in self.tags):
                raise self._refused(kid, f"<{tag}>", self.tags)
            if tag not in self.tags and tag != self.nested and not (self.foreign and tag.startswith("{")):
                seen.note(kid)
            kids.setdefault(tag, []).append(kid)
        return kids

    def _check_attributes(self, node: Node, seen: Reading) -> None:
        for key in node.keys():  # noqa: SIM118 - an lxml node is not a dict
            name = str(key)
            if f"@{name}" in self.refuse:
                raise self._refused(node, f"attribute '{name}'", self.attributes, name)
            if name not in self.attributes and not name.startswith("{"):
                seen.note(node, name)

    def _refused(self, node: Node, what: str, known: Iterable[str], attribute: str = "") -> ConfigUnsupported:
        accepted = ", ".join(known) or "nothing"
        where = reading.place(node, attribute)
        return ConfigUnsupported(f"{where}: {what} is not supported; <{self.tag}> accepts: {accepted}")

    def write(self, value: Element, out: Writer, tag: str) -> None:
        """Write an object of the class as an element named ``tag``."""
        self.open(value, out, tag)
        out.end(tag)

    def open(self, value: Element, out: Writer, tag: str) -> None:
        """``write`` but for the end of the element."""
        given = [(b, v) for name, b in self.bindings.items() if (v := getattr(value, name)) is not None]
        out.begin(tag)
        for binding, item in given:
            binding.write_attribute(item, out)
        out.close_start()
        for binding, item in sorted(given, key=lambda pair: not isinstance(pair[0], Content)):
            binding.write_child(item, out)


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(
        attr,
        text,
        content,
        size,
        child,
        children,
        flag,
        raw,
        foreign,
        variant,
        amount,
        beside,
        nested,
    ),
)
class Element:
    """Base of every class that stands for an XML element."""

    __schema__: ClassVar[Schema]

    def __init_subclass__(
        cls,
        *,
        tag: str,
        refuse: tuple[str, ...] = (),
        closed: bool = False,
        nested: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True)(cls)
        declared = _own_first(cls)
        cls.__schema__ = Schema(
            cls=cls,
            tag=tag,
            bindings={item.name: item.metadata[KEY] for item in declared},
            required=tuple(item.name for item in declared if item.default is dataclasses.MISSING),
            refuse=frozenset(refuse),
            closed=closed,
            nested=nested,
        )


def _own_first(cls: type) -> list[dataclasses.Field[Any]]:
    """A class's own fields before the inherited: what every device has stands last, as in libvirt's XML."""
    own = inspect.get_annotations(cls)
    return sorted(dataclasses.fields(cls), key=lambda item: item.name not in own)
