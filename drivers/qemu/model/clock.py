"""``<clock>`` and ``<pm>``: what time it is in the guest, what ticks, and how it may sleep."""

from __future__ import annotations

from embervirt.drivers.xml import Element, Text, attr, child, children, choice, integer, yes_no
from embervirt.errors import ConfigUnsupported, InternalError

_NUMBER = integer(0, 2**32 - 1)


class CatchUp(Element, tag="catchup"):
    threshold: int | None = attr("threshold", _NUMBER, default=None)
    slew: int | None = attr("slew", _NUMBER, default=None)
    limit: int | None = attr("limit", _NUMBER, default=None)


class Timer(Element, tag="timer"):
    """``frequency`` (of a tsc) is in Hz."""

    name: str = attr(
        "name",
        choice("platform", "pit", "rtc", "hpet", "tsc", "kvmclock", "hypervclock", "armvtimer"),
    )
    present: bool | None = attr("present", yes_no, default=None)
    tickpolicy: str | None = attr("tickpolicy", choice("delay", "catchup", "merge", "discard"), default=None)
    track: str | None = attr("track", choice("boot", "guest", "wall", "realtime"), default=None)
    frequency: int | None = attr("frequency", integer(), default=None)
    mode: str | None = attr("mode", choice("auto", "native", "emulate", "paravirt", "smpsafe"), default=None)
    catchup: CatchUp | None = child(CatchUp, default=None)


class Clock(Element, tag="clock"):
    """``adjustment``: seconds between the basis and the guest's clock, or ``reset``; ``start``: an epoch."""

    offset: str = attr(
        "offset",
        choice("utc", "localtime", "timezone", "variable", "absolute", error=ConfigUnsupported),
        default="utc",
    )
    adjustment: str | None = attr(
        "adjustment", Text("reset|[+-]?[0-9]{1,18}", "a number of seconds, or reset"), default=None
    )
    basis: str | None = attr("basis", choice("utc", "localtime", error=ConfigUnsupported), default=None)
    timezone: str | None = attr("timezone", default=None)
    start: int | None = attr("start", integer(0, 2**40, InternalError), default=None)
    timers: tuple[Timer, ...] = children(Timer, default=())

    def timer(self, name: str) -> Timer | None:
        """The first one of that name."""
        return next((each for each in self.timers if each.name == name), None)

    @property
    def without_hpet(self) -> bool:
        """Whether the machine is to lack its HPET."""
        return any(each.name == "hpet" and each.present is False for each in self.timers)


class Suspend(Element, tag="suspend"):
    enabled: bool | None = attr("enabled", yes_no, default=None)


class Pm(Element, tag="pm"):
    """ACPI's S3 and S4."""

    to_mem: Suspend | None = child(Suspend, "suspend-to-mem", default=None)
    to_disk: Suspend | None = child(Suspend, "suspend-to-disk", default=None)
