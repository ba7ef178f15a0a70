"""The memory balloon that every guest has."""

from __future__ import annotations

from embervirt.drivers.qemu.model.memballoon import Memballoon
from embervirt.drivers.xml import replace


def complete(balloons: tuple[Memballoon, ...]) -> tuple[Memballoon, ...]:
    """One, unless the XML says otherwise; statistics every 0 seconds are none."""
    return tuple(map(_stats, balloons)) or (Memballoon(model="virtio"),)


def _stats(balloon: Memballoon) -> Memballoon:
    wanted = balloon.stats is not None and (balloon.stats.period or 0) > 0
    return balloon if wanted else replace(balloon, stats=None)
