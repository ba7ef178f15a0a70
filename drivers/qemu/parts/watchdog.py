"""The watchdog and what it does."""

from __future__ import annotations

from collections.abc import Iterable

from embervirt.drivers.qemu.model import Watchdog
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Option, Part, WatchdogAction


def parts(watchdog: Watchdog, build: Build) -> Iterable[Part]:
    """The action, then the device; of a q35's own one only that it may act.

    For a dump QEMU pauses, and who hears of that makes it.
    """
    action = "pause" if watchdog.action == "dump" else watchdog.action or "reset"
    yield WatchdogAction(action)
    if watchdog.model == "itco":
        yield Option("global", "ICH9-LPC.noreboot=off")
    else:
        yield Device(watchdog.model, watchdog.id, place(watchdog, build))
