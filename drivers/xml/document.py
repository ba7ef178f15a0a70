"""From text to objects and back: secure, bounded, and with errors that say where.

A document type declaration is refused before libxml2 sees the text, so no entity is ever expanded
and nothing is ever fetched; the parser is told the same. Depth and the length of one text are
bounded by libxml2 itself, whose limits hold without ``huge_tree``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from lxml import etree

from embervirt.drivers.xml import reading
from embervirt.drivers.xml.element import Element
from embervirt.drivers.xml.errors import SchemaError
from embervirt.drivers.xml.reading import Node, Reading, Unknown
from embervirt.drivers.xml.writing import Writer
from embervirt.errors import ConfigUnsupported, InvalidArgument, XmlDetail, XmlError
from embervirt.log import get_logger

E = TypeVar("E", bound=Element)
MAX_SIZE = 16 * 1024 * 1024
"""No document is longer than this many bytes."""
_DOCTYPE = re.compile(r"\ufeff?(?>\s++|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)


def parse(cls: type[E], xml: str | bytes, *, strict: bool = False) -> E:
    """The object that ``xml`` (UTF-8 when bytes) describes.

    What no class declares is dropped, with one debug line; with ``strict`` it is a SchemaError.
    InvalidArgument: no text. XmlDetail: not XML. XmlError and its leaves, ConfigUnsupported,
    InvalidArgument (a unit): what it says cannot be read, with path, line and what is accepted.
    """
    value, unknown = read(cls, xml)
    if unknown and strict:
        raise SchemaError("not known here: " + ", ".join(map(str, unknown)))
    if unknown:
        dropped = [str(item) for item in unknown]
        get_logger(root=cls.__schema__.tag).debug("XML that nobody reads was dropped", dropped=dropped)
    return value


def read(cls: type[E], xml: str | bytes) -> tuple[E, list[Unknown]]:
    """As ``parse``, with the elements and attributes (the first 50) that no class declares."""
    tag = cls.__schema__.tag
    root = _tree(_bounded(xml, tag), tag)
    if root.tag != tag:
        raise XmlError(f"expecting root element of '{tag}', not '{str(root.tag)[: reading.SHOWN]}'")
    seen = Reading()
    value: E = cls.__schema__.read(root, seen)
    return value, seen.unknown


def parse_one_of(classes: Mapping[str, type[E]], xml: str, what: str) -> E:
    """As ``parse``, by the root element's tag. ConfigUnsupported for another; ``what`` names the document."""
    root = _tree(_bounded(xml, what), what)
    cls = classes.get(str(root.tag))
    if cls is None:
        accepted = ", ".join(classes)
        tag = str(root.tag)[: reading.SHOWN]
        raise ConfigUnsupported(f"unknown {what} type '{tag}'; expected one of: {accepted}")
    value: E = cls.__schema__.read(root, Reading())
    return value


def render(value: Element) -> str:
    """The XML of an object in libvirt's look; XmlError when a value has a character XML has not."""
    out = Writer()
    value.__schema__.write(value, out, value.__schema__.tag)
    return out.result()


def _bounded(xml: str | bytes, tag: str) -> bytes:
    """The document in UTF-8, not too long and without a document type declaration."""
    if not isinstance(xml, str | bytes):
        raise InvalidArgument(f"the XML of a {tag} must be a str, not {type(xml).__name__}")
    if len(xml) > MAX_SIZE:
        raise XmlError(f"the XML of a {tag} has {len(xml)} characters; at most {MAX_SIZE} are accepted")
    try:
        decoded = xml if isinstance(xml, str) else xml.decode()
        encoded = decoded.encode()
    except (UnicodeEncodeError, UnicodeDecodeError) as error:
        raise XmlDetail(f"({tag}_definition): not UTF-8: {error.reason} at {error.start}") from None
    doctype = _DOCTYPE.match(decoded)
    if doctype:
        line = doctype[0].count("\n") + 1
        raise XmlDetail(f"({tag}_definition):{line}: a document type declaration (DTD) is not accepted")
    return encoded


def _tree(xml: bytes, tag: str) -> Node:
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        reason = " ".join((error.msg or "not XML").split())
        raise XmlDetail(f"({tag}_definition):{error.lineno or 1}: {reason}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise XmlDetail(f"({tag}_definition): a document type declaration (DTD) is not accepted")
    return root
