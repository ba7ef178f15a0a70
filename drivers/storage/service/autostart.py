"""Pools that start with the host: once for each of its starts, when the driver is first used after it."""

from __future__ import annotations

import time
from pathlib import Path

from embervirt.actors.bus import Bus
from embervirt.drivers.root.files import read, write
from embervirt.drivers.storage.messages import Start
from embervirt.drivers.storage.tables import Tables
from embervirt.errors import libvirtError
from embervirt.log import get_logger
from embervirt.supervisor.identity import boot_id


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
        write(stamp, f"{boot_id()}\n".encode(), durable=False)
    except libvirtError as error:
        log.error("autostart", error=str(error))


def done(stamp: Path) -> bool:
    """Whether that was in this boot of the host. libvirt's stamp is empty, and counts by its time."""
    if not stamp.exists():
        return False
    said = read(stamp).decode(errors="replace").strip()
    if said:
        return said == boot_id()
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return stamp.stat().st_mtime > booted
