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
from embervirt.drivers.storage.images import How, create, how, resize, with_progress
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.model import Pool, Volume
from embervirt.drivers.storage.service import staging
from embervirt.drivers.storage.service.showing import volume as described
from embervirt.drivers.storage.tables import VolumeRow
from embervirt.drivers.xml import replace

PREALLOC_METADATA, REFLINK, VALIDATE = 1, 2, 4
"""virStorageVolCreateFlags."""


@dataclass(frozen=True)
class Making:
    """What is to be made: ``staged`` until it is whole, then ``target``. ``source``: what is copied."""

    pool: Pool
    volume: Volume
    staged: Path
    target: Path
    scratch: Path
    flags: int = 0
    source: VolumeRow | None = None

    @property
    def how(self) -> How:
        """Who makes it."""
        return how(self.volume, self.described)

    @property
    def described(self) -> Volume | None:
        """The source's description. Its kind of pool has formats as this one's."""
        return None if self.source is None else described(self.source, self.pool)

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
        if making.how is How.DIRECTORY:
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


def check(making: Making) -> None:
    """What cannot be made, before anything is. Raises StorageNotSupported, StorageUnsupported."""
    described = making.described
    encrypted = any(each and each.target.encryption for each in (making.volume, described))
    if encrypted:
        raise StorageNotSupported(f"volume '{making.volume.name}': encryption of volumes is not built yet")
    if making.how is How.QEMU_IMG:
        _commands(making)
    elif making.flags & PREALLOC_METADATA:
        create(making.volume, metadata=True)
    if making.flags & REFLINK and making.how is not How.COPY:
        text = f"a copy in format {making.volume.format} cannot share the data of its source"
        raise StorageNotSupported(f"volume '{making.volume.name}': {text}")


def _fill(job: Job, making: Making) -> None:
    source = making.source
    if making.how is How.FILE:
        with staging.created(making.staged) as file:
            _empty(job, file, making)
    elif making.how is How.COPY and source is not None:
        with staging.created(making.staged) as file, staging.to_read(Path(source.path)) as original:
            _copy(job, file, original, making)
    else:
        _by_program(job, making)


def _empty(job: Job, file: File, making: Making) -> None:
    disk.truncate(file, making.capacity)
    copying.allocate(job, file, 0, min(making.volume.allocation or 0, making.capacity))


def _copy(job: Job, file: File, original: int, making: Making) -> None:
    size = os.fstat(original).st_size
    if making.flags & REFLINK and not copying.shared(file, original):
        what = f"cannot share data with volume '{making.source.name if making.source else ''}'"
        raise StorageNotSupported(f"{what}: the file system of '{making.target.parent}' has no reflinks")
    copying.copy(job, file, original, size)
    if making.capacity > size:
        disk.truncate(file, making.capacity)


def _commands(making: Making) -> list[list[str]]:
    """Into the staged file; a copy that is to be larger than its source is resized then."""
    own = replace(making.volume, capacity=making.capacity)
    own = replace(own, target=replace(own.target, path=str(making.staged)))
    found = create(own, source=making.described, metadata=bool(making.flags & PREALLOC_METADATA))
    if making.source is not None and making.capacity > making.source.capacity:
        found += resize(own, making.capacity)
    return [with_progress(argv) for argv in found]


def _by_program(job: Job, making: Making) -> None:
    for argv in _commands(making):
        child.run(job, argv, making.scratch, making.room)
    with staging.in_place(making.staged) as file:
        if making.volume.format == "raw" and os.fstat(file.descriptor).st_size < making.capacity:
            disk.truncate(file, making.capacity)
        disk.sync(file)
