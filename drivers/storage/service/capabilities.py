"""What kinds of pools there are, and their formats, as ``virConnectGetStoragePoolCapabilities`` tells it."""

from __future__ import annotations

from lxml import etree

from embervirt.drivers.storage.model import KINDS

UNLISTED = ("rbd",)
"""Kinds of whose volumes libvirt 9 lists no formats."""


def capabilities() -> str:
    """XML of every kind that libvirt knows; ``supported``: whether this driver runs it."""
    root = etree.Element("storagepoolCapabilities")
    for name, kind in KINDS.items():
        pool = etree.SubElement(root, "pool", type=name, supported="yes" if kind.served else "no")
        _options(pool, "poolOptions", kind.default_format, "sourceFormatType", kind.formats)
        listed = () if name in UNLISTED else kind.volume_formats
        _options(pool, "volOptions", kind.default_volume_format, "targetFormatType", listed)
    return etree.tostring(root, pretty_print=True, encoding="unicode").replace('"', "'")


def _options(pool: etree._Element, tag: str, default: str | None, name: str, values: tuple[str, ...]) -> None:
    if default is None:
        return
    options = etree.SubElement(pool, tag)
    etree.SubElement(options, "defaultFormat", type=default)
    listed = etree.SubElement(options, "enum", name=name)
    for value in values:
        etree.SubElement(listed, "value").text = value
