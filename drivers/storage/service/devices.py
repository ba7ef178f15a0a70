"""Volumes that are devices, logical volumes and partitions: made, copied to, removed; on a job's thread."""

from __future__ import annotations

import os
from pathlib import Path

from embervirt import disk
from embervirt.actors.bus import Bus
from embervirt.actors.fence import Fence
from embervirt.disk import File
from embervirt.drivers.root.files import explained
from embervirt.drivers.storage.backend import copying
from embervirt.drivers.storage.backend import devices as opened
from embervirt.drivers.storage.backend.directory import owner
from embervirt.drivers.storage.backend.kinds import backend
from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.backend.protocol import Area, Devices
from embervirt.drivers.storage.errors import (
    NoStorageVolume,
    StorageArgument,
    StorageFailed,
    StorageNotSupported,
    exists,
)
from embervirt.drivers.storage.images import onto, with_progress
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.model import Format, Permissions, Pool, Volume
from embervirt.drivers.storage.service import chains, opening, staging
from embervirt.drivers.storage.service.handing import hands
from embervirt.drivers.storage.service.making import REFLINK, Making
from embervirt.drivers.storage.tables import VolumeRow
from embervirt.drivers.xml import replace
from embervirt.errors import libvirtError
from embervirt.log import get_logger

MODE = 0o600


def makers(pool: Pool) -> Devices:
    """Who makes the volumes of such a pool. Raises StorageNotSupported for one whose volumes are files."""
    found = backend(pool).devices
    if found is None:
        raise StorageNotSupported(f"pool '{pool.name}': its volumes are files")
    return found


def check(making: Making, kind: Devices) -> None:
    """What cannot be made, before anything is. Raises StorageNotSupported, StorageArgument and others."""
    volume, source = making.volume, making.source
    if making.flags & REFLINK:
        raise StorageNotSupported(f"volume '{volume.name}': a device cannot share the data of its source")
    if source is not None and volume.format == opened.EXTENDED:
        raise StorageArgument(f"volume '{volume.name}': nothing can be copied to an extended partition")
    if source is not None and volume.backing is not None:
        raise StorageArgument(f"volume '{volume.name}': a copy has no backing store of its own")
    if source is not None and source.image.encryption is not None:
        raise StorageNotSupported(f"volume '{volume.name}': an encrypted volume is copied to files only")
    whole = _whole(making)
    if not whole.capacity:
        raise StorageNotSupported("volume capacity required for this storage pool")
    if whole.target.encryption is not None:
        text = "encryption is served for volumes that are files only"
        raise StorageNotSupported(f"volume '{whole.name}' of a pool of type '{making.pool.type}': {text}")
    kind.check(whole, making.pool)


def _whole(making: Making) -> Volume:
    """As it is to be made: what is a copy has room for all of it."""
    if making.source is None:
        return making.volume
    return replace(making.volume, capacity=making.capacity, allocation=making.capacity)


def make(job: Job, making: Making, kind: Devices, fence: Fence, bus: Bus) -> None:
    """Whole and under its name when this returns, or nothing of it is left.

    Raises StorageInternal (the words of LVM, parted or qemu-img), SystemError_, OperationAborted.
    """
    programs, pool = Programs(job, making.scratch), making.pool
    name = str(making.volume.name)
    fence.check()
    _free(pool, name, programs)
    area = None if making.source is None else kind.area(_whole(making), pool, programs)
    if area is not None:
        with opened.whole(area) as file:
            _fill(job, making, file, area, bus)
    copied = making.source is not None and area is None
    hidden = staging.name_for_staging() if copied else name
    job.check()
    kind.create(replace(_whole(making), name=hidden), pool, programs)
    try:
        row = _found(pool, hidden, programs)
        _check_area(row, area)
        if making.volume.format != opened.EXTENDED:
            _permit(row, making.volume.permissions)
        if copied:
            with explained("copy to", Path(row.path)), opened.in_place(row) as file:
                _fill(job, making, file, Area(row.path, 0, row.physical), bus)
        job.check()
        fence.check()
        if hidden != name:
            kind.rename(pool, hidden, name, programs)
    except BaseException:
        _undo(job, making, kind, hidden)
        raise


def _free(pool: Pool, name: str, programs: Programs) -> None:
    """Else what is undone after a failure might be somebody else's. Raises VolumeExists."""
    if backend(pool).look_at(pool, name, programs)[1] is not None:
        raise exists(name)


def _found(pool: Pool, name: str, programs: Programs) -> VolumeRow:
    row = backend(pool).look_at(pool, name, programs)[1]
    if row is None:
        raise NoStorageVolume(f"no storage vol with matching name '{name}': it has no device node")
    return row


def _check_area(row: VolumeRow, area: Area | None) -> None:
    """Raises StorageFailed when somebody else changed the disk in the meantime."""
    begins = row.device.extents[0][1] if row.device and row.device.extents else 0
    if area is not None and begins != area.offset:
        raise StorageFailed(f"volume '{row.name}' begins at byte {begins}, expected {area.offset}")


def _undo(job: Job, making: Making, kind: Devices, name: str) -> None:
    """The first error is the one to tell."""
    try:
        with job.steady() as steady:
            programs = Programs(steady, making.scratch)
            kind.delete(making.pool, _found(making.pool, name, programs), programs)
    except libvirtError as error:
        get_logger(driver="storage").error("a half-made volume stays", volume=name, error=str(error))


def _permit(row: VolumeRow, wanted: Permissions) -> None:
    with explained("set permissions of", Path(row.path)), opened.in_place(row) as file:
        os.fchmod(file.descriptor, MODE if wanted.mode is None else wanted.mode)
        os.fchown(file.descriptor, owner(wanted.owner), owner(wanted.group))


def _fill(job: Job, making: Making, file: File, area: Area, bus: Bus) -> None:
    """With the bytes of a raw source, with what a guest sees of another."""
    source, described = making.source, making.described
    if source is None or described is None:
        return
    chains.check(source.path, source.image.format)
    with explained("copy volume", Path(source.path)), opening.to_read(source) as original:
        if source.image.format in ("raw", "iso"):
            copying.copy_all(job, file, original, area.offset)
        else:
            with hands(bus, making.scratch) as given:
                path = given.path(file.descriptor, str(making.target))
                image = given.image(_formatted(described, source), original)
                argv = onto(image, path, area.offset, area.length)
                given.run(job, with_progress(argv), making.capacity)
        disk.sync(file)


def _formatted(described: Volume, row: VolumeRow) -> Volume:
    """In its own format: volumes of the pool that it is copied to may have none."""
    return replace(described, target=replace(described.target, format=Format(type=row.image.format)))


def delete(job: Job, row: VolumeRow, pool: Pool, programs: Programs, fence: Fence, *, zeroed: bool) -> None:
    """Only what ``row`` is; ``zeroed``: overwritten before. Raises StorageInternal while somebody uses it."""
    if zeroed:
        check_wipe(row)
        with explained("wipe volume", Path(row.path)), opened.in_place(row) as file:
            copying.zero(job, file)
    fence.check()
    makers(pool).delete(pool, row, programs)


def resize(row: VolumeRow, capacity: int, pool: Pool, programs: Programs, fence: Fence) -> None:
    """To so many bytes at least. Raises StorageInternal without room."""
    fence.check()
    makers(pool).resize(pool, row, capacity, programs)


def check_resize(row: VolumeRow, kind: Devices) -> None:
    """Raises StorageNotSupported."""
    if not kind.resizes:
        raise StorageNotSupported(f"storage pool does not support changing of volume capacity: '{row.name}'")


def check_wipe(row: VolumeRow) -> None:
    """Raises StorageNotSupported for one that may have less room than bytes."""
    if row.device is not None and row.device.sparse:
        raise StorageNotSupported(f"logical volume '{row.path}' is sparse, volume wipe not supported")
