"""The clock: which offset an adjustment makes of it, and defaults."""

from __future__ import annotations

from embervirt.drivers.qemu.model.clock import CatchUp, Clock, Pm, Timer
from embervirt.drivers.xml import replace


def complete(clock: Clock) -> Clock:
    """An adjusted clock is a variable one with the old offset as its basis."""
    clock = replace(clock, timers=tuple(map(_timer, clock.timers)))
    adjustment = clock.adjustment
    if clock.offset in ("utc", "localtime"):
        if adjustment in (None, "reset"):
            return replace(clock, basis=None, timezone=None, start=None)
        clock = replace(clock, offset="variable", basis=clock.offset)
    if clock.offset == "variable":
        seconds = str(int(adjustment)) if adjustment not in (None, "reset") else "0"
        return replace(clock, adjustment=seconds, basis=clock.basis or "utc", timezone=None, start=None)
    if clock.offset == "timezone":
        return replace(clock, adjustment=None, basis=None, start=None)
    return replace(clock, adjustment=None, basis=None, timezone=None)


def _timer(timer: Timer) -> Timer:
    """Without what is 0."""
    tuned = timer.catchup
    if tuned:
        tuned = CatchUp(
            threshold=tuned.threshold or None, slew=tuned.slew or None, limit=tuned.limit or None
        )
    catchup = None if tuned == CatchUp() else tuned
    return replace(timer, frequency=timer.frequency or None, catchup=catchup)


def power(pm: Pm | None) -> Pm | None:
    """Nothing when it says nothing."""
    if pm is None:
        return None
    to_mem = pm.to_mem if pm.to_mem and pm.to_mem.enabled is not None else None
    to_disk = pm.to_disk if pm.to_disk and pm.to_disk.enabled is not None else None
    return Pm(to_mem=to_mem, to_disk=to_disk) if to_mem or to_disk else None
