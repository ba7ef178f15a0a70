"""The memory balloon that every guest has."""

from __future__ import annotations

from embervirt.drivers.qemu.model.memballoon import Memballoon
from embervirt.drivers.xml import replace


def complete(balloons: tuple[Memballoon, ...]) -> tuple[Memballoon, ...]:
    """One, unless the XML says otherwise; what is none has no place and no name."""
    return tuple(map(_complete, balloons)) or (Memballoon(model="virtio"),)


def _complete(balloon: Memballoon) -> Memballoon:
    """Statistics every 0 seconds are none."""
    if balloon.model == "none":
        balloon = replace(balloon, alias=None, acpi=None, address=None)
    wanted = balloon.stats is not None and (balloon.stats.period or 0) > 0
    return balloon if wanted else replace(balloon, stats=None)
