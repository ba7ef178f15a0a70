"""XML in libvirt's look: two spaces a level, single quotes, one element a line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from embervirt.errors import XmlError

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;", "\r": "&#13;"}
_TEXT = str.maketrans(_ENTITIES)
_ATTRIBUTE = str.maketrans({**_ENTITIES, "\n": "&#10;", "\t": "&#9;"})
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _checked(text: str) -> str:
    bad = _FORBIDDEN.search(text)
    if bad:
        raise XmlError(
            f"character {ord(bad[0]):#x} at offset {bad.start()} of a value cannot be written in XML"
        )
    return text


class Writer:
    """Collects lines; ``begin``, what belongs inside, ``end``."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._open: list[int] = []

    def begin(self, tag: str) -> None:
        """Open an element; its attributes follow, then ``close_start``."""
        self._lines.append(f"{self._indent}<{tag}")
        self._open.append(len(self._lines))

    def attribute(self, name: str, value: str) -> None:
        """Add an attribute to the element just opened."""
        self._lines[-1] += f" {name}='{_checked(value).translate(_ATTRIBUTE)}'"

    def close_start(self) -> None:
        """Between the attributes and what is inside."""
        self._lines[-1] += ">"

    def content(self, text: str) -> None:
        """Text of the element just opened; child elements may follow it."""
        self._lines[-1] += _checked(text).translate(_TEXT)

    def end(self, tag: str) -> None:
        """Close the element: ``<a/>`` when nothing is inside, ``<a>text</a>`` when only text is."""
        start = self._open.pop()
        if len(self._lines) > start:
            self._lines.append(f"{self._indent}</{tag}>")
        elif self._lines[-1].endswith(">"):
            self._lines[-1] = self._lines[-1][:-1] + "/>"
        else:
            self._lines[-1] += f"</{tag}>"

    def text_element(self, tag: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        """A whole element with text only."""
        self.begin(tag)
        for name, value in (attributes or {}).items():
            self.attribute(name, value)
        self.close_start()
        self.content(text)
        self.end(tag)

    def amend(self, tag: str, name: str, value: str) -> None:
        """Add an attribute to the element written last, which is one line and named ``tag``."""
        start = f"{self._indent}<{tag}"
        line = self._lines.pop().removeprefix(start)
        self._lines.append(f"{start} {name}='{_checked(value).translate(_ATTRIBUTE)}'{line}")

    def verbatim(self, xml: str) -> None:
        """A subtree as it is."""
        self._lines.append(self._indent + xml)

    @property
    def _indent(self) -> str:
        return "  " * len(self._open)

    def result(self) -> str:
        """The document, with a newline at its end."""
        return "\n".join(self._lines) + "\n"
