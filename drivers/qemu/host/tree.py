"""A few words to write XML with: ``node("cell", {"id": 0}, ...)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from embervirt.drivers.xml.writing import Writer, attribute


@dataclass(frozen=True)
class Node:
    """An element: attributes, and either text or children."""

    tag: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    children: tuple[Node, ...] = ()
    text: str | None = None


def node(tag: str, attributes: Mapping[str, Any] | None = None, *children: Node | None) -> Node:
    """An element with children; None among them is left out."""
    return Node(tag, attributes or {}, tuple(each for each in children if each is not None))


def leaf(tag: str, text: object, attributes: Mapping[str, Any] | None = None) -> Node:
    """An element with text."""
    return Node(tag, attributes or {}, (), str(text))


def enum(name: str, values: Iterable[str]) -> Node:
    """libvirt's list of accepted words."""
    return node("enum", {"name": name}, *(leaf("value", value) for value in values))


def yes(value: bool) -> str:
    """``yes`` or ``no``."""
    return "yes" if value else "no"


def text_of(root: Node) -> str:
    """The document in libvirt's look."""
    out = Writer()
    _write(root, out)
    return out.result()


def _write(item: Node, out: Writer) -> None:
    out.begin(item.tag, "".join(attribute(name, str(value)) for name, value in item.attributes.items()))
    if item.text is not None:
        out.content(item.text)
    for child in item.children:
        _write(child, out)
    out.end(item.tag)
