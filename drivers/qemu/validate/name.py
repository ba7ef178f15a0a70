"""A domain's name and title."""

from __future__ import annotations

import errno

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.errors import NameTooLong
from embervirt.drivers.xml import MissingName
from embervirt.errors import XmlDetail, XmlError

MAX_NAME = 247
"""Bytes of a name: ``NAME.xml.new``, libvirt's temporary file, must be a file name of Linux."""


def check_name(name: str) -> None:
    """The rules of a domain's name, also for a rename: it becomes a file's name."""
    if not name:
        raise MissingName()
    if "\n" in name:
        raise XmlDetail("invalid char in name: '\\n'; a name has one line")
    if "/" in name:
        raise XmlError(f"name {name[:100]} cannot contain '/'")
    if name in (".", ".."):
        raise XmlError(f"name '{name}' is that of a directory; expected another")
    length = len(name.encode(errors="replace"))
    if length > MAX_NAME:
        what = f"name {name[:40]}... is too long: {length} bytes in UTF-8; at most {MAX_NAME} are accepted"
        raise NameTooLong(what, int1=errno.ENAMETOOLONG)


def check(domain: Domain) -> None:
    """Name and title."""
    check_name(domain.name)
    if domain.title and "\n" in domain.title:
        raise XmlError("Domain title can't contain newlines")
