"""What the job of a request does, checked before it begins: for volumes that are files, and devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from embervirt.actors.bus import Bus
from embervirt.actors.fence import Fence
from embervirt.drivers.storage.backend.kinds import backend
from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.model import EncryptionSecret
from embervirt.drivers.storage.service import changing, devices, making
from embervirt.drivers.storage.service.handing import hands
from embervirt.drivers.storage.service.making import Making
from embervirt.drivers.storage.tables import PoolRow, VolumeRow

Work = Callable[[Job], None]


def create(wanted: Making, fence: Fence, bus: Bus) -> Work:
    """Raises as the checks of ``making`` and ``devices``; the work as their ``make``."""
    makers = backend(wanted.pool).devices
    if makers is not None:
        devices.check(wanted, makers)
        return lambda job: devices.make(job, wanted, makers, fence, bus)
    making.check(wanted)
    return lambda job: making.make(job, wanted, fence, bus)


def delete(pool: PoolRow, row: VolumeRow, hidden: Path, scratch: Path, fence: Fence, *, zeroed: bool) -> Work:
    """``zeroed``: overwritten before. ``hidden``: what a file is called while it goes."""
    makers = backend(pool.pool).devices
    if makers is None:
        return lambda job: changing.delete(job, row, hidden, fence, zeroed=zeroed)
    return lambda job: devices.delete(job, row, pool.pool, Programs(job, scratch), fence, zeroed=zeroed)


def resize(
    pool: PoolRow,
    row: VolumeRow,
    capacity: int,
    flags: int,
    scratch: Path,
    fence: Fence,
    bus: Bus,
    secret: EncryptionSecret | None,
) -> Work:
    """To ``capacity`` bytes. Raises StorageNotSupported, StorageOperationUnsupported."""
    makers = backend(pool.pool).devices
    if makers is not None:
        devices.check_resize(row, makers)
        return lambda job: devices.resize(row, capacity, pool.pool, Programs(job, scratch), fence)
    known = changing.resizing(row, pool.pool, capacity, flags, secret)

    def is_over() -> bool:
        return bus.routes.closed is not None and fence.refuses()

    def work(job: Job) -> None:
        with hands(bus, scratch) as given:
            changing.resize(job, known, capacity, flags, given, is_over)

    return work
