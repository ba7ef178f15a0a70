"""Uploads and downloads: the bytes of a volume's file through a pipe; on a job's thread."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embervirt import disk
from embervirt.actors.fence import Fence
from embervirt.disk import File
from embervirt.drivers.root.files import explained
from embervirt.drivers.storage.backend import copying
from embervirt.drivers.storage.errors import StorageArgument, StorageFailed
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.service import staging
from embervirt.drivers.storage.tables import FILE, VolumeRow


def check(row: VolumeRow, offset: int, length: int) -> None:
    """Raises StorageArgument for a part that the volume has not."""
    if row.kind != FILE:
        raise StorageArgument(f"volume '{row.name}' is no file: nothing can be sent to it or read from it")
    if offset > row.physical or offset + length > row.physical:
        part = f"bytes {offset} to {offset + length}" if length else f"from byte {offset}"
        raise StorageArgument(f"volume '{row.name}' has {row.physical} bytes: {part} are not in it")


def download(job: Job, row: VolumeRow, pipe: int, offset: int, length: int) -> None:
    """What is in the volume from ``offset`` on; 0 is up to its end. The reader may go: that is its end."""
    path = Path(row.path)
    with explained("read volume", path), staging.to_read(path) as file:
        end = offset + length if length else os.fstat(file).st_size
        at = offset
        while at < end:
            data = os.pread(file, min(copying.BLOCK, end - at), at)
            if not data or not _sent(job, pipe, data):
                return
            at += len(data)
            job.step(at - offset, end - offset)


def _sent(job: Job, pipe: int, data: bytes) -> bool:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(pipe, rest) :]
        except BlockingIOError:
            job.wait(pipe, select.POLLOUT)
        except BrokenPipeError:
            return False
    return True


def upload(job: Job, row: VolumeRow, pipe: int, offset: int, length: int, staged: Path, fence: Fence) -> None:
    """What comes through the pipe, from ``offset`` on; at most ``length`` bytes, 0 for any number.

    A part without holes is written in place: that needs no room. Else the volume stays as it is until all has
    come, and what came takes its place then, so that a full disk, or a sender who gives up, changes nothing.
    Raises StorageSystemError, StorageFailed when more comes than ``length``, OperationAborted.
    """
    path = Path(row.path)
    come = _Come(row, length)
    what = f"upload to volume '{row.name}'"
    with staging.room(path.parent, what, lambda: come.needed), staging.staged(staged):
        with staging.in_place(path) as file:
            whole = _whole(file, offset, length)
            if whole:
                _write(job, pipe, file, offset, come)
                disk.sync(file)
        if not whole:
            with staging.created(staged) as copy, staging.to_read(path) as before:
                if offset or length:
                    copying.copy(job, copy, before, row.physical)
                    _write(job, pipe, copy, offset, come)
                else:  # as much as will come need not be copied first
                    disk.truncate(copy, row.physical)
                    _write(job, pipe, copy, 0, come)
                    copying.copy_from(job, copy, before, come.bytes, row.physical)
            staging.replace(staged, path, fence)


@dataclass
class _Come:
    """How much has come of an upload, and what may."""

    row: VolumeRow
    length: int
    bytes: int = 0

    @property
    def needed(self) -> int:
        """Bytes on disk."""
        return max(self.bytes, self.length)

    def more(self, count: int) -> None:
        """Raises StorageFailed."""
        self.bytes += count
        if self.length and self.bytes > self.length:
            raise StorageFailed(f"more than {self.length} bytes were sent to volume '{self.row.name}'")


def _whole(file: File, offset: int, length: int) -> bool:
    """Whether all that is to be written has room already."""
    end = os.fstat(file.descriptor).st_size
    return length > 0 and not copying.holes(file.descriptor, offset, min(offset + length, end))


def _write(job: Job, pipe: int, file: File, offset: int, come: _Come) -> None:
    at = offset
    for data in _received(job, pipe):
        come.more(len(data))
        at += copying.write(file, data, at)
        job.step(come.bytes, come.length or come.row.physical)
    job.check()


def _received(job: Job, pipe: int) -> Iterator[bytes]:
    """Until the sender closes its end."""
    while True:
        try:
            data = os.read(pipe, copying.BLOCK)
        except BlockingIOError:
            job.wait(pipe, select.POLLIN)
            continue
        if not data:
            return
        yield data
