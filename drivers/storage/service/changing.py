"""Changes of volumes that are there: other sizes, zeroes, other content, no more; on a job's thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from embervirt import disk
from embervirt.actors.fence import Fence
from embervirt.disk import File
from embervirt.drivers.root.files import explained
from embervirt.drivers.storage.backend import copying
from embervirt.drivers.storage.errors import StorageArgument, StorageFailed, StorageNotSupported
from embervirt.drivers.storage.images import Wiping, image_format, wiping
from embervirt.drivers.storage.images import resize as commands
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.model import EncryptionSecret, Pool, Volume
from embervirt.drivers.storage.service import chains, opening, staging
from embervirt.drivers.storage.service.handing import Hands
from embervirt.drivers.storage.service.showing import volume
from embervirt.drivers.storage.tables import DIR, FILE, Space, VolumeRow

ALLOCATE, DELTA, SHRINK = 1, 2, 4
"""virStorageVolResizeFlags."""

ZEROES = wiping(0)
IsOver = Callable[[], bool]


def new_capacity(row: VolumeRow, capacity: int, flags: int, space: Space) -> int:
    """In bytes, what ``resize`` is to make of it. Raises StorageArgument, StorageFailed."""
    if capacity < 0:
        raise StorageArgument(f"capacity {capacity} of volume '{row.name}' must not be negative")
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
    staging.check_length(f"resize volume '{row.name}'", wanted)
    if flags & ALLOCATE and wanted - row.capacity > space.available:
        missing = wanted - row.capacity - space.available
        raise StorageFailed(f"Not enough space left on storage pool: {missing} bytes are missing")
    return wanted


def resizing(
    row: VolumeRow, pool: Pool, capacity: int, flags: int, secret: EncryptionSecret | None
) -> Volume:
    """What is to be resized. Raises StorageOperationUnsupported, StorageNotSupported."""
    known: Volume = volume(row, pool, secret)
    if row.kind != FILE:
        raise StorageNotSupported(f"volume '{row.name}' is no file: it cannot be resized")
    commands(known, capacity, allocate=bool(flags & ALLOCATE))
    return known


def resize(job: Job, known: Volume, capacity: int, flags: int, given: Hands, is_over: IsOver) -> None:
    """To so many bytes; it is as it was when this raises. Never what a link leads to.

    ``is_over``: whether nobody waits for this any more, and others do not know of it.

    Raises StorageSystemError, StorageInternal (qemu-img's own words), and as ``Hands.key``, ``chains.check``.
    """
    path = Path(known.path)
    what = f"resize volume '{known.name}'"
    room = staging.room(path.parent, what, lambda: max(capacity - (known.allocation or 0), 0))
    with room, staging.in_place(path) as file:
        if image_format(known) == "raw":
            _resize_raw(job, file, capacity, bool(flags & ALLOCATE), is_over)
            return
        chains.check(known.path, known.format)
        key, opened = given.key(known), given.image(known, file.descriptor)
        shrink = capacity < (known.capacity or 0)
        for argv in commands(opened, capacity, shrink=shrink, key=key):
            given.run(job, argv, capacity)


def _resize_raw(job: Job, file: File, capacity: int, allocate: bool, is_over: IsOver) -> None:
    before = os.fstat(file.descriptor).st_size
    empty = copying.holes(file.descriptor, 0, min(before, capacity)) if allocate else []
    with _undone(file, before if capacity > before else None, empty, is_over):
        disk.truncate(file, capacity)
        if allocate:
            copying.allocate(job, file, 0, capacity)
        disk.sync(file)


@contextmanager
def _undone(file: File, size: int | None, empty: list[copying.Range], is_over: IsOver) -> Iterator[None]:
    """If it fails: so long again, and these holes again.

    Not after the end of the root: whoever opened it again knows nothing of this, and may change the volume.
    """
    try:
        yield
    except BaseException:
        if is_over():
            raise
        if size is not None:
            disk.truncate(file, size)
        copying.give_back(file, empty)
        raise


def wipe(job: Job, row: VolumeRow, how: Wiping) -> None:
    """Overwritten as ``how`` says. Raises SystemError_, FileRefused for a symbolic link."""
    with explained("wipe volume", Path(row.path)), opening.in_place(row) as file:
        if how == ZEROES:
            copying.zero(job, file)
        else:
            copying.overwrite(job, file, how.passes, verify=how.verify)


def delete(job: Job, row: VolumeRow, hidden: Path, fence: Fence, *, zeroed: bool = False) -> None:
    """Of a symbolic link the link; no error when it has gone already. ``zeroed``: overwritten before.

    ``hidden``: the name it has while it goes, which is on record.

    Raises SystemError_, FileRefused when a symbolic link is to be overwritten.
    """
    path = Path(row.path)
    if zeroed and row.kind == FILE:
        wipe(job, row, ZEROES)
    with explained("delete volume", path):
        if row.kind == DIR and not path.is_symlink():
            with fence.guard():
                disk.remove_directory(path)
        else:
            _unlink(path, hidden, fence)
        disk.sync_directory(path.parent)


def _unlink(path: Path, hidden: Path, fence: Fence) -> None:
    """First it gets a name that a sweep knows: to free what a large file has takes long, and nobody else can
    change anything while the fence is held."""
    with staging.staged(hidden), fence.guard(), suppress(FileNotFoundError):
        disk.rename(path, hidden)
