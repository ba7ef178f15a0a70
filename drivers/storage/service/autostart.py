"""Pools that start with the host: once for each of its starts, when the driver is first used after it."""

from __future__ import annotations

from pathlib import Path

from embervirt.actors.bus import Bus
from embervirt.drivers.root.once import done, mark
from embervirt.drivers.storage.messages import Start
from embervirt.drivers.storage.tables import Tables
from embervirt.errors import libvirtError
from embervirt.log import get_logger


def begin(bus: Bus, tables: Tables, stamp: Path) -> None:
    """Start those that are due, in the thread that opens the root; one that does not start is reported."""
    log = get_logger(driver="storage")
    try:
        if done(stamp):
            return
        for row in [each for each in tables.pools.values() if each.autostart and not each.active]:
            try:
                bus.call("storage", Start(row.uuid))
            except libvirtError as error:
                log.error("autostart failed", pool=row.name, error=str(error))
        mark(stamp)
    except libvirtError as error:
        log.error("autostart", error=str(error))
