"""New volumes of a directory: empty, preallocated, or copies; on a job's thread."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embervirt import disk
from embervirt.actors.bus import Bus
from embervirt.actors.fence import Fence
from embervirt.disk import File
from embervirt.drivers.root.files import explained
from embervirt.drivers.storage.backend import copying
from embervirt.drivers.storage.errors import StorageArgument, StorageInternal, StorageSystemError
from embervirt.drivers.storage.images import (
    How,
    Keys,
    check_without_program,
    create,
    fill,
    how,
    image_format,
    with_progress,
)
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.model import EncryptionSecret, Pool, Volume
from embervirt.drivers.storage.service import chains, opening, staging
from embervirt.drivers.storage.service.handing import Hands, hands
from embervirt.drivers.storage.service.showing import volume as described
from embervirt.drivers.storage.tables import VolumeRow
from embervirt.drivers.xml import replace

PREALLOC_METADATA, REFLINK, VALIDATE = 1, 2, 4
"""virStorageVolCreateFlags."""

DIRECTORY_MODE = 0o600
"""Of a volume that is a directory and has no mode in its XML, as libvirt makes it."""


@dataclass(frozen=True)
class Making:
    """What is to be made: ``staged`` until it is whole, then ``target``. ``source``: what is copied.

    ``secret``: of the source which secret has its passphrase, if somebody said so.
    """

    pool: Pool
    volume: Volume
    staged: Path
    target: Path
    scratch: Path
    flags: int = 0
    source: VolumeRow | None = None
    secret: EncryptionSecret | None = None

    @property
    def how(self) -> How:
        """Who makes it."""
        return how(self.volume, self.described)

    @property
    def described(self) -> Volume | None:
        """The source's description. Its kind of pool has formats as this one's."""
        if self.source is None:
            return None
        found = described(self.source, self.pool, self.secret)
        same = found.name == self.volume.name  # what is named after it must not have one name
        return replace(found, name=f"{found.name}.source") if same else found

    @property
    def relative(self) -> bool:
        """Whether it lies upon an image whose name begins at its own directory."""
        below = self.volume.backing.path if self.volume.backing else None
        return self.source is None and below is not None and not below.startswith("/")

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


def make(job: Job, making: Making, fence: Fence, bus: Bus) -> None:
    """Whole and under its name when this returns, or nothing of it is left.

    Raises StorageSystemError, StorageInternal (qemu-img's own words), VolumeExists, OperationAborted.
    """
    directory = making.target.parent
    what = f"create volume '{making.volume.name}'"
    with staging.room(directory, what, lambda: making.room), staging.staged(making.staged):
        if making.how is How.DIRECTORY:
            _make_directory(making, fence)
            return
        _check_below(making)
        _fill(job, making, bus)
        staging.permit(making.staged, making.volume.permissions)
        job.check()
        staging.reveal(making.staged, making.target, fence)


def _make_directory(making: Making, fence: Fence) -> None:
    mode = making.volume.permissions.mode
    with explained("create directory", making.target), fence.guard():
        disk.make_directory(making.target, DIRECTORY_MODE if mode is None else mode)
        disk.sync_directory(making.target.parent)


def check(making: Making) -> None:
    """What cannot be made, before anything is.

    Raises StorageNotSupported, StorageUnsupported, StorageArgument, StorageInternal, StorageSystemError.
    """
    staging.check_length(f"create volume '{making.volume.name}'", making.capacity)
    metadata = bool(making.flags & PREALLOC_METADATA)
    if making.how is How.DIRECTORY and making.source is not None:
        raise StorageInternal(f"volume '{making.volume.name}': a directory is no copy of a volume")
    if making.how is How.QEMU_IMG:
        create(making.volume, source=making.described, metadata=metadata)
    else:
        check_without_program(making.volume, metadata=metadata)
    if making.flags & REFLINK and making.how is not How.COPY:
        text = f"a copy in format {making.volume.format} cannot share the data of its source"
        raise StorageArgument(f"volume '{making.volume.name}': {text}")


def _check_below(making: Making) -> None:
    """That the images below what is made or copied can be opened, and that their chain has an end."""
    source, below = making.source, making.volume.backing
    if source is not None:
        chains.check(source.path, source.image.format)
    elif below is not None and below.path and making.how is How.QEMU_IMG:
        chains.check_below(str(making.target), below.path, below.format_name)


def _fill(job: Job, making: Making, bus: Bus) -> None:
    source = making.source
    if making.how is How.FILE:
        with staging.created(making.staged) as file:
            _in_place(file, making)
            _empty(job, file, making)
    elif making.how is How.COPY and source is not None:
        with staging.created(making.staged) as file, opening.to_read(source) as original:
            _in_place(file, making)
            _copy(job, file, original, making)
    else:
        _by_program(job, making, bus)


def _in_place(file: File, making: Making) -> None:
    """``<nocow/>``, which is an error where a file system cannot; qemu-img tries it, and goes on without."""
    if making.volume.target.nocow and making.volume.format == "raw":
        with explained("switch off copying on write of", making.target):
            disk.copy_on_write(file.descriptor, on=False)


def _empty(job: Job, file: File, making: Making) -> None:
    disk.truncate(file, making.capacity)
    copying.allocate(job, file, 0, min(making.volume.allocation or 0, making.capacity))


def _copy(job: Job, file: File, original: int, making: Making) -> None:
    size = copying.length(original)
    if making.flags & REFLINK and not copying.shared(file, original):
        what = f"cannot share data with volume '{making.source.name if making.source else ''}'"
        text = f"{what}: the file system of '{making.target.parent}' has no reflinks"
        raise StorageSystemError(text, int1=errno.EOPNOTSUPP)
    copying.copy(job, file, original, size)
    if making.capacity > size:
        disk.truncate(file, making.capacity)


def _by_program(job: Job, making: Making, bus: Bus) -> None:
    """It gets files that are open, so that no name leads it elsewhere."""
    source = making.described
    with hands(bus, making.scratch) as given, staging.created(making.staged) as file:
        keys = Keys(given.key(making.volume), "" if source is None else given.key(source))
        path = given.path(file.descriptor, str(making.target))
        own = _at(making, str(making.staged) if making.relative else path)
        with _opened(given, source, making.source) as original:
            for argv in _commands(own, original, keys, metadata=bool(making.flags & PREALLOC_METADATA)):
                given.run(job, argv, making.room, file.descriptor)
        if image_format(own) == "raw" and os.fstat(file.descriptor).st_size < making.capacity:
            disk.truncate(file, making.capacity)


def _at(making: Making, path: str) -> Volume:
    """What is to be made, at another path; without a capacity, it has that of the image below."""
    volume = making.volume
    below = making.source is None and volume.capacity is None
    return replace(
        volume, capacity=None if below else making.capacity, target=replace(volume.target, path=path)
    )


@contextmanager
def _opened(given: Hands, source: Volume | None, row: VolumeRow | None) -> Iterator[Volume | None]:
    """The source, as a program is to name it."""
    if source is None or row is None:
        yield None
    else:
        with opening.to_read(row) as descriptor:
            yield given.image(source, descriptor)


def _commands(own: Volume, source: Volume | None, keys: Keys, *, metadata: bool) -> list[list[str]]:
    """A copy that is to be larger than its source is made so large, then written to."""
    larger = source is not None and (own.capacity or 0) > (source.capacity or 0)
    found = create(own, source=source, metadata=metadata, keys=keys)
    if larger and source is not None and len(found) == 1 and image_format(own) != "raw":
        found = [*create(replace(own, backing=None), metadata=metadata), fill(own, source)]
    return [with_progress(argv) for argv in found]
