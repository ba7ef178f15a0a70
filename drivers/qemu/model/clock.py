"""``<clock>``: what time it is in the guest."""

from __future__ import annotations

from embervirt.drivers.xml import (
    Element,
    attr,
    choice,
)
from embervirt.errors import ConfigUnsupported


class Clock(Element, tag="clock", refuse=("timer", "@timezone", "@adjustment", "@basis", "@start")):
    offset: str = attr(
        "offset",
        choice("utc", "localtime", error=ConfigUnsupported, later=("variable", "timezone", "absolute")),
        default="utc",
    )
