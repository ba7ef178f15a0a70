"""Networks that start with the host: once for each of its starts, when the driver is first used after it."""

from __future__ import annotations

from pathlib import Path

from embervirt.actors.bus import Bus
from embervirt.drivers.network.messages import Start
from embervirt.drivers.network.tables import Tables
from embervirt.drivers.root.once import done, mark
from embervirt.errors import libvirtError
from embervirt.log import get_logger


def begin(bus: Bus, tables: Tables, stamp: Path) -> None:
    """Start those that are due, in the thread that opens the root; one that does not start is reported."""
    log = get_logger(driver="network")
    try:
        if done(stamp):
            return
        for row in [each for each in tables.networks.values() if each.autostart and not each.active]:
            try:
                bus.call("network", Start(row.uuid))
            except libvirtError as error:
                log.error("autostart failed", network=row.name, error=str(error))
        mark(stamp)
    except libvirtError as error:
        log.error("autostart", error=str(error))
