"""Changes of volumes that are there: other sizes, zeroes, other content, no more; on a job's thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embervirt import disk
from embervirt.actors.fence import Fence
from embervirt.disk import File
from embervirt.drivers.root.files import explained
from embervirt.drivers.storage.backend import child, copying
from embervirt.drivers.storage.errors import StorageArgument, StorageFailed, StorageNotSupported
from embervirt.drivers.storage.images import Wiping
from embervirt.drivers.storage.images import resize as commands
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.model import Pool, Volume
from embervirt.drivers.storage.service import staging
from embervirt.drivers.storage.service.showing import volume
from embervirt.drivers.storage.tables import DIR, FILE, Space, VolumeRow

ALLOCATE, DELTA, SHRINK = 1, 2, 4
"""virStorageVolResizeFlags."""


def new_capacity(row: VolumeRow, capacity: int, flags: int, space: Space) -> int:
    """In bytes, what ``resize`` is to make of it. Raises StorageArgument, StorageFailed."""
    wanted = capacity
    if flags & DELTA:
        change = -min(capacity, row.capacity) if flags & SHRINK else capacity
        wanted = row.capacity + change
    if wanted < row.allocation and not flags & SHRINK:
        raise StorageArgument("can't shrink capacity below existing allocation")
    if wanted < row.capacity and not flags & SHRINK:
        raise StorageArgument(
            "Can't shrink capacity below current capacity unless shrink flag explicitly specified"
        )
    if flags & ALLOCATE and wanted - row.capacity > space.available:
        missing = wanted - row.capacity - space.available
        raise StorageFailed(f"Not enough space left on storage pool: {missing} bytes are missing")
    return wanted


def resizing(row: VolumeRow, pool: Pool, capacity: int, flags: int) -> list[list[str]]:
    """The commands for it, none for a raw file. Raises OperationUnsupported, StorageNotSupported."""
    known: Volume = volume(row, pool)
    if known.target.encryption is not None:
        raise StorageNotSupported(f"volume '{row.name}': encryption of volumes is not built yet")
    if row.kind != FILE:
        raise StorageNotSupported(f"volume '{row.name}' is no file: it cannot be resized")
    shrink = capacity < row.capacity
    return commands(known, capacity, allocate=bool(flags & ALLOCATE), shrink=shrink)


def resize(
    job: Job, row: VolumeRow, capacity: int, flags: int, programs: list[list[str]], scratch: Path
) -> None:
    """To so many bytes; it is as it was when this raises."""
    path = Path(row.path)
    with staging.room(path.parent, f"resize volume '{row.name}'", lambda: max(capacity - row.allocation, 0)):
        if programs:
            with staging.in_place(path):  # never what a link leads to
                for argv in programs:
                    child.run(job, argv, scratch, capacity)
            return
        with staging.in_place(path) as file:
            _resize_raw(job, file, capacity, bool(flags & ALLOCATE))


def _resize_raw(job: Job, file: File, capacity: int, allocate: bool) -> None:
    before = os.fstat(file.descriptor).st_size
    empty = copying.holes(file.descriptor, 0, min(before, capacity)) if allocate else []
    with _undone(file, before if capacity > before else None, empty):
        disk.truncate(file, capacity)
        if allocate:
            copying.allocate(job, file, 0, capacity)
        disk.sync(file)


@contextmanager
def _undone(file: File, size: int | None, empty: list[copying.Range]) -> Iterator[None]:
    """If it fails: so long again, and these holes again."""
    try:
        yield
    except BaseException:
        if size is not None:
            disk.truncate(file, size)
        copying.give_back(file, empty)
        raise


def wipe(job: Job, row: VolumeRow, how: Wiping) -> None:
    """Overwritten as ``how`` says. Raises SystemError_, FileRefused for a symbolic link."""
    path = Path(row.path)
    with explained("wipe volume", path), staging.in_place(path) as file:
        if how.passes == (b"\0",):
            copying.zero(job, file)
        else:
            copying.overwrite(job, file, how.passes, verify=how.verify)


def delete(row: VolumeRow, fence: Fence) -> None:
    """Of a symbolic link the link; no error when it has gone already. Raises SystemError_."""
    path = Path(row.path)
    with explained("delete volume", path), fence.guard():
        if row.kind == DIR and not path.is_symlink():
            disk.remove_directory(path)
        else:
            disk.unlink(path, missing_ok=True)
        disk.sync_directory(path.parent)
