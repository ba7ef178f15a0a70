"""What every binding needs while it reads: where it is, how to complain, what nobody declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from lxml import etree

from embervirt.drivers.xml.codecs import Codec
from embervirt.errors import libvirtError

T = TypeVar("T")
Node = etree._Element
NOTED = 50
"""Finding a path costs a walk along the siblings: no more than this many are looked up."""
SHOWN = 100
"""At most this many characters of a bad value are repeated in a message."""


@dataclass(frozen=True)
class Unknown:
    """An element or attribute that no class declared: its path and its line."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path} (line {self.line})"


@dataclass
class Reading:
    """One reading of one document; collects what was not declared, the first NOTED of it."""

    unknown: list[Unknown] = field(default_factory=list)

    def note(self, node: Node, attribute: str = "") -> None:
        """Remember that nobody declared this node, or this attribute of it."""
        if len(self.unknown) < NOTED:
            self.unknown.append(Unknown(path(node, attribute), line(node)))


def line(node: Node) -> int:
    """The line of a node, from 1."""
    number: int | None = node.sourceline  # type: ignore[assignment]  # the stubs lack its type
    return number or 1


def path(node: Node, attribute: str = "") -> str:
    """``/domain/devices/disk[2]/@device``: an XPath to a node or its attribute."""
    where = str(node.getroottree().getpath(node))
    return f"{where}/@{attribute}" if attribute else where


def place(node: Node, attribute: str = "") -> str:
    """Path and line, as messages give them."""
    return f"{path(node, attribute)}, line {line(node)}"


def content(node: Node) -> str:
    """All text directly inside a node; comments and child elements do not count."""
    text = node.text or ""
    return text + "".join(kid.tail or "" for kid in node) if len(node) else text


def elements(node: Node) -> Iterator[Node]:
    """The child elements of a node (no comments, no processing instructions)."""
    return (kid for kid in node if isinstance(kid.tag, str))


def bad_value(codec: Codec[T], node: Node, text: str, attribute: str = "") -> libvirtError:
    """The error for a value that ``codec`` does not accept."""
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "..."
    where, error = place(node, attribute), codec.error_for(text)
    return error(f"{where}: '{shown}' is not accepted; expected {codec.accepts}")


def decode(codec: Codec[T], node: Node, text: str, attribute: str = "") -> T:
    """The value of ``text``, or the codec's error with path, line, value and what is accepted."""
    try:
        return codec.decode(text)
    except ValueError:
        raise bad_value(codec, node, text, attribute) from None
