"""Where an element that breaks a rule stands: its path, and its line when there is a document."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from lxml import etree

from embervirt.drivers.xml import reading


class Places:
    """Of a document that has been read without error; of none when there is no text, as after an update."""

    def __init__(self, xml: str | bytes | None = None) -> None:
        self._xml = xml

    @cached_property
    def root(self) -> etree._Element | None:
        """The document's element."""
        if self._xml is None:
            return None
        text = self._xml.encode() if isinstance(self._xml, str) else self._xml
        parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False)
        return etree.fromstring(text, parser)

    def __call__(self, path: str) -> Place:
        """Of ``/network/ip[2]/dhcp/range[1]`` or an attribute of it (``/@start``)."""
        return Place(self, path)

    def find(self, path: str) -> etree._Element | None:
        """The first element at ``path``."""
        found = [] if self.root is None else self.root.xpath(path)
        first = found[0] if isinstance(found, list) and found else None
        return first if isinstance(first, etree._Element) else None

    @cached_property
    def _repeated(self) -> frozenset[str]:
        """Tags of which two stand in one parent: looking for each by its path would take long."""
        repeated = set()
        for parent in () if self.root is None else self.root.iter(etree.Element):
            tags = [str(each.tag) for each in parent]
            repeated |= {tag for tag, count in Counter(tags).items() if count > 1}
        return frozenset(repeated)

    def second(self, path: str) -> Place | None:
        """The place of the second of the elements that ``path`` finds in one parent; None for fewer."""
        if path.rpartition("/")[2] not in self._repeated or self.find(f"{path}[2]") is None:
            return None
        return self(f"{path}[2]")


@dataclass(frozen=True)
class Place:
    """Looked up when a message wants it: its path and line; the path alone when it is not in the document."""

    places: Places
    path: str

    def __str__(self) -> str:
        element, _, attribute = self.path.partition("/@")
        node = self.places.find(element)
        return self.path if node is None else reading.place(node, attribute)
