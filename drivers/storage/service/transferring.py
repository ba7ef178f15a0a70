"""Uploads and downloads: the bytes of a volume's file through a pipe; on a job's thread."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embervirt import disk
from embervirt.actors.fence import Fence
from embervirt.disk import File
from embervirt.drivers.root.files import explained
from embervirt.drivers.storage.backend import copying, frames
from embervirt.drivers.storage.backend.devices import is_device
from embervirt.drivers.storage.errors import StorageArgument, StorageSystemError
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.service import opening, staging
from embervirt.drivers.storage.tables import FILE, VolumeRow


def check(row: VolumeRow, offset: int, length: int, *, upload: bool) -> None:
    """Nobody can write to a device what it has no room for; a file grows, and has nothing behind its end.

    Raises StorageArgument, StorageSystemError.
    """
    if row.kind != FILE and not is_device(row):
        what = f"volume '{row.name}' is no file: nothing can be sent to it or read from it"
        raise StorageSystemError(what, int1=errno.EISDIR)
    if offset < 0 or length < 0:
        raise StorageArgument(f"volume '{row.name}': byte {offset}, length {length}: none may be negative")
    if upload and is_device(row) and (offset > row.physical or offset + length > row.physical):
        part = f"bytes {offset} to {offset + length}" if length else f"from byte {offset}"
        raise StorageArgument(f"volume '{row.name}' has {row.physical} bytes: {part} are not in it")


def download(job: Job, row: VolumeRow, pipe: int, offset: int, length: int, *, sparse: bool = False) -> None:
    """What is in the volume from ``offset`` on; 0 is up to its end. The reader may go: that is its end.

    ``sparse``: in frames, with its holes.
    """
    path = Path(row.path)
    with explained("read volume", path), opening.to_read(row) as file:
        size = copying.length(file)
        end = max(offset, min(offset + length, size) if length else size)
        at = offset
        for piece in _framed(file, offset, end) if sparse else _pieces(file, offset, end):
            if not _sent(job, pipe, piece.message):
                return
            at += piece.bytes
            job.step(at - offset, end - offset)


@dataclass(frozen=True)
class _Piece:
    """What goes into the pipe, and for how many bytes of the volume it stands."""

    message: bytes
    bytes: int


def _pieces(file: int, begin: int, end: int) -> Iterator[_Piece]:
    while begin < end and (data := os.pread(file, min(copying.BLOCK, end - begin), begin)):
        yield _Piece(data, len(data))
        begin += len(data)


def _framed(file: int, begin: int, end: int) -> Iterator[_Piece]:
    """Holes, and before each piece of data how long it is."""
    end = min(end, copying.length(file))
    empty = [(start, stop, True) for start, stop in copying.holes(file, begin, end)]
    full = [(max(start, begin), stop, False) for start, stop in copying.data(file, end) if stop > begin]
    for start, stop, is_hole in sorted(empty + full):
        if is_hole:
            yield _Piece(frames.hole(stop - start), stop - start)
        else:
            for piece in _pieces(file, start, stop):
                yield _Piece(frames.data(piece.bytes) + piece.message, piece.bytes)


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


@dataclass
class Upload:
    """What comes through the pipe, for a volume from ``offset`` on; at most ``length`` bytes, 0 for any.

    ``sparse``: in frames, with its holes. ``come``: how many bytes came, their holes with them.
    """

    row: VolumeRow
    pipe: int
    offset: int
    length: int
    sparse: bool = False
    come: int = 0
    data: int = 0

    @property
    def needed(self) -> int:
        """Bytes on disk."""
        return max(self.data, self.length)

    def more(self, count: int, *, data: bool) -> None:
        """Raises StorageSystemError: there is no room for it, as libvirt has it."""
        self.come += count
        self.data += count if data else 0
        if self.length and self.come > self.length:
            what = f"more than {self.length} bytes were sent to volume '{self.row.name}'"
            raise StorageSystemError(what, int1=errno.ENOSPC)


def upload(job: Job, wanted: Upload, staged: Path, fence: Fence) -> None:
    """Write it to disk.

    A part without holes is written in place: that needs no room. Else the volume stays as it is until all has
    come, and what came takes its place then, so that a full disk, or a sender who gives up, changes nothing.
    Of a device all is written in place.
    Raises StorageSystemError, also when more comes than ``length``, OperationAborted.
    """
    if is_device(wanted.row):
        _upload_to_device(job, wanted)
        return
    path = Path(wanted.row.path)
    what = f"upload to volume '{wanted.row.name}'"
    room = staging.room(path.parent, what, lambda: wanted.needed)
    with room, staging.staged(staged), staging.in_place(path) as before:
        if _whole(before, wanted):
            _write(job, before, wanted)
            disk.sync(before)
            return
        with staging.created(staged) as copy:
            _copy(job, copy, before, wanted)
        staging.replace(staged, path, os.fstat(before.descriptor), fence)


def _upload_to_device(job: Job, wanted: Upload) -> None:
    """No more than it has bytes."""
    row = wanted.row
    wanted.length = wanted.length or row.physical - wanted.offset
    with explained("upload to volume", Path(row.path)), opening.in_place(row) as file:
        _write(job, file, wanted)
        disk.sync(file)


def _copy(job: Job, copy: File, before: File, wanted: Upload) -> None:
    """What is to take the place of ``before``."""
    size = os.fstat(before.descriptor).st_size
    if wanted.offset or wanted.length:
        copying.copy(job, copy, before.descriptor, size)
        _write(job, copy, wanted)
    else:  # as much as will come need not be copied first
        disk.truncate(copy, size)
        _write(job, copy, wanted)
        copying.copy_from(job, copy, before.descriptor, wanted.come, size)


def _whole(file: File, wanted: Upload) -> bool:
    """Whether all that is to be written has room already."""
    end = wanted.offset + wanted.length
    if not wanted.length or wanted.sparse or end > os.fstat(file.descriptor).st_size:
        return False
    return not copying.holes(file.descriptor, wanted.offset, end)


def _write(job: Job, file: File, wanted: Upload) -> None:
    at = wanted.offset
    for piece in _received(job, wanted.pipe, sparse=wanted.sparse):
        if isinstance(piece, int):
            wanted.more(piece, data=False)
            copying.empty(file, at, at + piece)
            at += piece
        else:
            wanted.more(len(piece), data=True)
            at += copying.write(file, piece, at)
        job.step(wanted.come, wanted.length or wanted.row.physical)
    job.check()


def _received(job: Job, pipe: int, *, sparse: bool) -> Iterator[bytes | int]:
    """Data, or the length of a hole, until the sender closes its end."""
    longest = frames.HEADER.size + frames.LONGEST if sparse else copying.BLOCK
    while True:
        try:
            data = os.read(pipe, longest)
        except BlockingIOError:
            job.wait(pipe, select.POLLIN)
            continue
        if not data:
            return
        yield frames.parsed(data) if sparse else data
