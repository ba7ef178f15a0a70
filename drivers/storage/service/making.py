"""New volumes of a directory: empty, preallocated, or copies; on a job's thread."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from embervirt import disk
from embervirt.actors.fence import Fence
from embervirt.disk import File
from embervirt.drivers.root.files import explained
from embervirt.drivers.storage.backend import child, copying
from embervirt.drivers.storage.errors import StorageNotSupported
from embervirt.drivers.storage.images import commands
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.model import Pool, Volume
from embervirt.drivers.storage.service import staging
from embervirt.drivers.storage.tables import VolumeRow

PREALLOC_METADATA, REFLINK, VALIDATE = 1, 2, 4
"""virStorageVolCreateFlags."""


@dataclass(frozen=True)
class Making:
    """What is to be made: ``staged`` until it is whole, then ``target``. ``source``: what is copied, if any."""

    pool: Pool
    volume: Volume
    staged: Path
    target: Path
    scratch: Path
    flags: int = 0
    source: VolumeRow | None = None

    @property
    def capacity(self) -> int:
        """Bytes; a copy is not smaller than what it is a copy of."""
        own = self.volume.capacity or 0
        return own if self.source is None else max(own, self.source.capacity)

    @property
    def room(self) -> int:
        """Bytes on disk that it takes: what is to be allocated, or what is copied."""
        own = min(self.volume.allocation or 0, self.capacity)
        return own if self.source is None else max(own, self.source.allocation)


def make(job: Job, making: Making, fence: Fence) -> None:
    """Whole and under its name when this returns, or nothing of it is left.

    Raises StorageSystemError, StorageInternal (qemu-img's own words), VolumeExists, OperationAborted.
    """
    directory = making.target.parent
    what = f"create volume '{making.volume.name}'"
    with staging.room(directory, what, lambda: making.room), staging.staged(making.staged):
        if making.volume.format == "dir":
            _make_directory(making, fence)
            return
        _fill(job, making)
        staging.permit(making.staged, making.volume.permissions)
        job.check()
        staging.reveal(making.staged, making.target, fence)


def _make_directory(making: Making, fence: Fence) -> None:
    with explained("create directory", making.target), fence.guard():
        disk.make_directory(making.target, making.volume.permissions.mode or 0o711)
        disk.sync_directory(making.target.parent)


def _fill(job: Job, making: Making) -> None:
    volume, source = making.volume, making.source
    raw = volume.format == "raw" and volume.target.encryption is None
    if raw and source is None:
        with staging.created(making.staged) as file:
            _empty(job, file, making)
    elif raw and source is not None and source.image.format == "raw":
        with staging.created(making.staged) as file, staging.in_place(Path(source.path)) as original:
            _copy(job, file, original, making)
    else:
        _convert(job, making)


def _empty(job: Job, file: File, making: Making) -> None:
    disk.truncate(file, making.capacity)
    copying.allocate(job, file, 0, min(making.volume.allocation or 0, making.capacity))


def _copy(job: Job, file: File, original: File, making: Making) -> None:
    size = os.fstat(original.descriptor).st_size
    if making.flags & REFLINK and not copying.shared(file, original.descriptor):
        what = f"cannot share data with volume '{making.source.name if making.source else ''}'"
        raise StorageNotSupported(f"{what}: the file system of '{making.target.parent}' has no reflinks")
    copying.copy(job, file, original.descriptor, size)
    if making.capacity > size:
        disk.truncate(file, making.capacity)


def _convert(job: Job, making: Making) -> None:
    """By qemu-img; a copy that is to be larger than its source is resized then."""
    if making.flags & REFLINK:
        raise StorageNotSupported(f"a copy in format {making.volume.format} cannot share its source's data")
    for argv in commands.create(making):
        child.run(job, argv, making.scratch, making.capacity)
    with staging.in_place(making.staged) as file:
        disk.sync(file)
