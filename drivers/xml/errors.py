"""Leaves of the error tree that only reading XML can raise."""

from __future__ import annotations

from embervirt.errors import XmlError, libvirtError


class SchemaError(XmlError):
    """``VIR_ERR_XML_INVALID_SCHEMA``: strict reading met elements or attributes nobody declared."""

    code, prefix = 92, "XML document failed to validate against schema"


class MissingName(XmlError):
    """``VIR_ERR_NO_NAME``: the object has no name."""

    code, prefix = 21, "missing name information"


class NumericalOverflow(libvirtError):
    """``VIR_ERR_OVERFLOW``: a size is more than can be counted."""

    code, prefix = 82, "numerical overflow"
