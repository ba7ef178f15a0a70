"""A watchdog that does not say what it does."""

from __future__ import annotations

from embervirt.drivers.qemu.model.watchdog import Watchdog
from embervirt.drivers.xml import replace


def complete(watchdog: Watchdog) -> Watchdog:
    """It resets the guest."""
    return replace(watchdog, action=watchdog.action or "reset")
