"""``<metadata>``: one element for each application, found by its namespace (pure, on text)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from lxml import etree

from embervirt.drivers.qemu.errors import VIR_FROM_DOM
from embervirt.drivers.xml import MAX_SIZE
from embervirt.errors import InternalError, XmlDetail

Node = etree._Element


def find(metadata: str | None, uri: str) -> str | None:
    """The element of ``uri`` without that namespace, as its application wrote it; None when there is none."""
    root = _container(metadata)
    found = next((child for child in root if _namespace(child) == uri), None)
    return None if found is None else _plain(deepcopy(found), uri)


def distinct(metadata: str | None) -> str | None:
    """The first element of each namespace; none without one. What has nothing else stays as it is."""
    if metadata is None:
        return None
    root, seen = _parse(metadata), set[str | None]([None])
    given = len(root)
    for child in list(root.iterchildren(etree.Element)):
        if (namespace := _namespace(child)) in seen:
            root.remove(child)
        seen.add(namespace)
    return metadata if len(root) == given else etree.tostring(root, encoding="unicode")


def put(metadata: str | None, uri: str, key: str, element: str | None) -> str | None:
    """With ``element`` in place of the one of ``uri``, or without it for None; None when nothing is left.

    Elements without a namespace get ``uri`` under the prefix ``key``. Raises XmlDetail for text that is no
    element, InternalError for a prefix that is none.
    """
    children = list(_container(metadata))
    added = [] if element is None else [_indented(_prefixed(_parse(element), uri, key))]
    replaced = next((child for child in children if _namespace(child) == uri), None)
    kept = [
        etree.tostring(each, encoding="unicode", with_tail=False) for each in children if each is not replaced
    ]
    lines = [f"    {each}\n" for each in [*kept, *added]]
    return f"<metadata>\n{''.join(lines)}  </metadata>" if lines else None


def _container(metadata: str | None) -> Node:
    return etree.Element("metadata") if metadata is None else _parse(metadata)


def _parse(text: str) -> Node:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        if len(text) > MAX_SIZE:
            raise XmlDetail(f"(metadata_xml): {len(text)} characters; at most {MAX_SIZE} are accepted")
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        text = f"(metadata_xml):{getattr(error, 'lineno', 1) or 1}: {error}; expected one XML element"
        raise XmlDetail(text, virdomain=VIR_FROM_DOM) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise XmlDetail("(metadata_xml): a document type declaration (DTD) is not accepted")
    return root


def _namespace(node: Node) -> str | None:
    return etree.QName(node).namespace if isinstance(node.tag, str) else None


def _prefixed(root: Node, uri: str, key: str) -> Node:
    names: dict[Any, Any] = {**root.nsmap, key: uri}
    try:
        made = etree.Element(_named(root, uri), nsmap=names)
    except ValueError as error:
        text = f"failed to validate prefix for a new XML namespace: {key!r} for {uri!r}: {error}"
        raise InternalError(text) from None
    made.text = root.text
    made.attrib.update(root.attrib)
    for child in root:
        made.append(child)
    for node in made.iterdescendants(etree.Element):
        node.tag = _named(node, uri)
    return made


def _named(node: Node, uri: str) -> str:
    return str(node.tag) if _namespace(node) else f"{{{uri}}}{node.tag}"


def _plain(root: Node, uri: str) -> str:
    for node in root.iter(etree.Element):
        if _namespace(node) == uri:
            node.tag = etree.QName(node).localname
        for name in [each for each in node.attrib if etree.QName(each).namespace == uri]:
            node.set(etree.QName(name).localname, node.attrib.pop(name))
    etree.cleanup_namespaces(root)
    root.tail = None
    return etree.tostring(root, encoding="unicode", pretty_print=True).strip()


def _indented(node: Node) -> str:
    """As deep as it stands in a domain; libxml2 leaves elements that have text as they are."""
    domain = etree.Element("domain")
    etree.SubElement(domain, "metadata").append(node)
    text = etree.tostring(domain, encoding="unicode", pretty_print=True)
    return text[text.index("<metadata>") + len("<metadata>") : text.rindex("</metadata>")].strip()
