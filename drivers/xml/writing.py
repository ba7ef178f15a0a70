"""XML in libvirt's look: two spaces a level, single quotes, one element a line."""

from __future__ import annotations

import re

from embervirt.errors import XmlError

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;", "\r": "&#13;"}
_TEXT = str.maketrans(_ENTITIES)
_ATTRIBUTE = str.maketrans({**_ENTITIES, "\n": "&#10;", "\t": "&#9;"})
_ALLOWED = "\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff"
_FORBIDDEN = re.compile(f"[^\t\n\r{_ALLOWED}]")
_SPECIAL = re.compile(f"[^{_ALLOWED}]|[&<>'\"]")
"""What does not stand for itself."""


def quoted(text: str) -> str:
    """As it stands in an attribute. Raises XmlError for a character that XML has not."""
    return text if text.isalnum() or not _SPECIAL.search(text) else _escaped(text, _ATTRIBUTE)


def _escaped(text: str, entities: dict[int, str]) -> str:
    if not _SPECIAL.search(text):
        return text
    bad = _FORBIDDEN.search(text)
    if bad:
        raise XmlError(
            f"character {ord(bad[0]):#x} at offset {bad.start()} of a value cannot be written in XML"
        )
    return text.translate(entities)


def attribute(name: str, value: str) -> str:
    """An attribute with the blank before it. Raises as ``quoted``."""
    return f" {name}='{quoted(value)}'"


class Writer:
    """Collects lines; ``begin``, what belongs inside, ``end``."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._open: list[int] = []
        self._indent = ""

    def begin(self, tag: str, attributes: str = "") -> None:
        """Open an element; ``attributes``, each made by ``attribute``, in one string."""
        self._lines.append(f"{self._indent}<{tag}{attributes}>")
        self._open.append(len(self._lines))
        self._indent += "  "

    def empty(self, tag: str, attributes: str = "") -> None:
        """A whole element with nothing inside."""
        self._lines.append(f"{self._indent}<{tag}{attributes}/>")

    def content(self, text: str) -> None:
        """Text of the element just opened; child elements may follow it."""
        self._lines[-1] += _escaped(text, _TEXT)

    def end(self, tag: str) -> None:
        """Close the element: ``<a/>`` when nothing is inside, ``<a>text</a>`` when only text is."""
        start = self._open.pop()
        self._indent = self._indent[:-2]
        last = self._lines[-1]
        if len(self._lines) > start:
            self._lines.append(f"{self._indent}</{tag}>")
        elif last.endswith(">"):
            self._lines[-1] = f"{last[:-1]}/>"
        else:
            self._lines[-1] = f"{last}</{tag}>"

    def text_element(self, tag: str, text: str, attributes: str = "") -> None:
        """A whole element with text only."""
        if text:
            self._lines.append(f"{self._indent}<{tag}{attributes}>{_escaped(text, _TEXT)}</{tag}>")
        else:
            self.empty(tag, attributes)

    def amend(self, tag: str, name: str, value: str) -> None:
        """Add an attribute to the element written last, which is one line and named ``tag``."""
        start = f"{self._indent}<{tag}"
        line = self._lines.pop().removeprefix(start)
        self._lines.append(f"{start}{attribute(name, value)}{line}")

    def verbatim(self, xml: str) -> None:
        """A subtree as it is."""
        self._lines.append(self._indent + xml)

    def result(self) -> str:
        """The document, with a newline at its end."""
        return "\n".join(self._lines) + "\n"
