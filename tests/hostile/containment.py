"""A changed document may name any file of the host; a test that starts it keeps it in one directory."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

ATTRIBUTES = frozenset({"file", "path", "socket", "template", "evdev", "dev"})
"""That name a file wherever they stand; ``dev`` does in a source, and as a target is no path."""

TEXTS = frozenset({"kernel", "initrd", "dtb", "loader", "nvram", "table", "backend", "path"})
HARMLESS = frozenset({"/dev/urandom", "/dev/null", "/dev/zero", "/dev/full", ""})
REMOTE = frozenset({"host", "source", "listen", "graphics"})
HOSTS = frozenset({"name", "host", "address", "listen"})
LOCAL = "127.0.0.1"


def contained(text: str, directory: Path) -> str:
    """The document with every file in ``directory`` and every server on this host; what is no XML stays."""
    text = text.replace("/dir/", f"{directory}/")
    try:
        root = etree.fromstring(text)
    except etree.XMLSyntaxError:
        return text
    for node in root.iter():
        if isinstance(node.tag, str):
            _contain(node, directory)
    return str(etree.tostring(root, encoding="unicode"))


def _contain(node: etree._Element, directory: Path) -> None:
    for name in ATTRIBUTES & set(map(str, node.attrib)):
        if not (name == "dev" and node.tag in ("target", "boot")):
            node.set(name, _inside(node.get(name, ""), directory))
    if node.tag in TEXTS:
        node.text = _inside(node.text or "", directory)
    if node.tag in REMOTE:
        for name in HOSTS & set(map(str, node.attrib)):
            if node.tag == "host" or name in ("host", "listen", "address"):
                node.set(name, LOCAL)


def _inside(value: str, directory: Path) -> str:
    if value in HARMLESS or (value.startswith(f"{directory}/") and ".." not in value):
        return value
    return f"{directory}/{value.replace('/', '_').replace('..', '__')}"
