"""Leaves of the error tree for what a domain's XML says, with the codes libvirt has for them."""

from __future__ import annotations

from embervirt.errors import SystemError_, XmlError


class MissingSource(XmlError):
    """``VIR_ERR_NO_SOURCE``: a disk without a file."""

    code, prefix = 19, "missing source information for device"


class MissingTarget(XmlError):
    """``VIR_ERR_NO_TARGET``: a disk without a target."""

    code, prefix = 20, "missing target information for device"


class NameTooLong(SystemError_):
    """No file can have that name; ``get_int1`` is ENAMETOOLONG."""
