"""Declarative XML: one class for an element, one line for a field; parse and render.

::

    class Secret(Element, tag="secret"):
        private: bool = attr("private", yes_no, default=False)
        uuid: str | None = text("uuid", uuid, default=None)

    secret = parse(Secret, "<secret private='yes'/>")
    render(secret)   # "<secret private='yes'/>\\n"
"""

from embervirt.drivers.xml.codecs import (
    Codec,
    Text,
    choice,
    hexadecimal,
    integer,
    mac,
    on_off,
    string,
    uuid,
    yes_no,
)
from embervirt.drivers.xml.document import MAX_SIZE, parse, parse_one_of, read, render
from embervirt.drivers.xml.element import Element, replace
from embervirt.drivers.xml.errors import MissingName, NumericalOverflow, SchemaError
from embervirt.drivers.xml.fields import (
    amount,
    attr,
    beside,
    byte_size,
    child,
    children,
    content,
    flag,
    foreign,
    nested,
    raw,
    size,
    text,
    variant,
)
from embervirt.drivers.xml.reading import Unknown

__all__ = [
    "MAX_SIZE",
    "Codec",
    "Element",
    "MissingName",
    "NumericalOverflow",
    "SchemaError",
    "Text",
    "Unknown",
    "amount",
    "attr",
    "beside",
    "byte_size",
    "child",
    "children",
    "choice",
    "content",
    "flag",
    "foreign",
    "hexadecimal",
    "integer",
    "mac",
    "nested",
    "on_off",
    "parse",
    "parse_one_of",
    "raw",
    "read",
    "render",
    "replace",
    "size",
    "string",
    "text",
    "uuid",
    "variant",
    "yes_no",
]
