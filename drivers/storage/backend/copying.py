"""Data of volumes: copied without its holes and in the kernel where it can be, filled with zeroes, undone."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from embervirt import disk
from embervirt.disk import File
from embervirt.drivers.storage.jobs import Job

PORTION = 64 << 20
"""Bytes between two looks at whether to go on."""

BLOCK = 1 << 20
"""Bytes that are read and written at a time."""

_CANNOT = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM, errno.EBADF}
"""What the kernel says when two files cannot share data, or it cannot copy between them."""

Range = tuple[int, int]
"""Where data begins and ends, in bytes."""


def data(descriptor: int, size: int) -> Iterator[Range]:
    """The parts of a file that are no holes, up to ``size``; all of it where nobody knows."""
    at = 0
    while at < size:
        try:
            begin = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                yield at, size
            return
        if begin >= size:
            return
        at = min(os.lseek(descriptor, begin, os.SEEK_HOLE), size)
        yield begin, at


def holes(descriptor: int, begin: int, end: int) -> list[Range]:
    """The parts of ``begin`` to ``end`` that are holes."""
    found, at = [], begin
    for start, stop in data(descriptor, end):
        if start > at:
            found.append((at, min(start, end)))
        at = max(at, stop)
    return [*found, (at, end)] if at < end else found


def shared(file: File, source: int) -> bool:
    """Make ``file`` share the data of ``source``, both whole; False where the file system cannot."""
    try:
        disk.reflink(file, source)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    return True


def copy(job: Job, file: File, source: int, size: int, *, share: bool = True) -> None:
    """Make ``file``, which is new, what the first ``size`` bytes of ``source`` are: shared if that can be."""
    if share and length(source) == size and shared(file, source):
        job.step(size, size)
        return
    disk.truncate(file, size)
    copy_from(job, file, source, 0, size)


def length(descriptor: int) -> int:
    """Bytes of a file or a block device."""
    return os.lseek(descriptor, 0, os.SEEK_END)


def copy_all(job: Job, file: File, source: int, offset: int) -> None:
    """All bytes of ``source``, its holes too, to where other data may be: a device, from ``offset`` on."""
    size = length(source)
    for at in range(0, size, BLOCK):
        write(file, os.pread(source, min(BLOCK, size - at), at), offset + at)
        job.step(min(at + BLOCK, size), size)


def copy_from(job: Job, file: File, source: int, begin: int, size: int) -> None:
    """The data of ``source`` from ``begin`` to ``size`` into a file that has holes there."""
    parts = [(max(start, begin), stop) for start, stop in data(source, size) if stop > begin]
    total, done = sum(stop - start for start, stop in parts), 0
    for start, stop in parts:
        at = start
        for moved in _moved(file, source, start, stop):
            disk.begin_sync(file.descriptor, at, moved)
            at, done = at + moved, done + moved
            job.step(done, total)


def _moved(file: File, source: int, start: int, stop: int) -> Iterator[int]:
    """After each portion how long it was."""
    inside = True
    while start < stop:
        count = min(PORTION, stop - start)
        moved = 0
        if inside:
            try:
                moved = disk.copy(file, source, start, count)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
            inside = moved > 0
        if not inside:
            moved = _by_hand(file, source, start, min(count, BLOCK))
        if not moved:
            return
        start += moved
        yield moved


def _by_hand(file: File, source: int, at: int, count: int) -> int:
    return write(file, os.pread(source, count, at), at)


def write(file: File, content: bytes, at: int) -> int:
    """All of it, at ``at``."""
    rest = memoryview(content)
    while rest:
        done = disk.write_at(file, rest, at)
        rest, at = rest[done:], at + done
    return len(content)


def allocate(job: Job, file: File, begin: int, end: int) -> None:
    """Give these bytes room on disk."""
    for at in range(begin, end, PORTION):
        count = min(PORTION, end - at)
        disk.allocate(file, at, count)
        job.step(at + count - begin, end - begin)


def give_back(file: File, parts: list[Range]) -> None:
    """Make these holes again. Raises OSError."""
    for begin, end in parts:
        disk.punch(file, begin, end - begin)


def empty(file: File, begin: int, end: int) -> None:
    """Make these bytes zero, a hole where that can be; beyond the end the file grows. Raises OSError."""
    size = length(file.descriptor)
    if end > size:
        disk.truncate(file, end)
    parts = [(at, stop) for at, stop in data(file.descriptor, min(end, size)) if stop > begin]
    for start, stop in [(max(at, begin), stop) for at, stop in parts]:
        try:
            disk.punch(file, start, stop - start)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            for at, count in _portions([(start, stop)]):
                write(file, bytes(count), at)


def zero(job: Job, file: File) -> None:
    """Overwrite all of a file with zeroes; one with holes is emptied, and becomes one hole."""
    found, size = os.fstat(file.descriptor), length(file.descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_blocks * 512 < size:
        disk.truncate(file, 0)
        disk.truncate(file, size)
    else:
        nothing = bytes(BLOCK)
        for at in range(0, size, BLOCK):
            write(file, nothing[: min(BLOCK, size - at)], at)
            job.step(min(at + BLOCK, size), size)
    disk.sync(file)


def overwrite(job: Job, file: File, passes: tuple[bytes | None, ...], *, verify: bool) -> None:
    """Write over all data of a file: the pattern of each pass again and again, None for random bytes.

    ``verify``: what the last one wrote is read again. Raises OSError, of EIO when that is not there.
    """
    parts = list(data(file.descriptor, length(file.descriptor)))
    written = sum(stop - start for start, stop in parts)
    done, total = 0, written * (len(passes) + verify)
    for pattern in passes:
        for at, count in _portions(parts):
            write(file, os.urandom(count) if pattern is None else _repeated(pattern, at, count), at)
            done += count
            job.step(done, total)
        disk.sync(file)
    for at, count in _portions(parts) if verify and passes[-1] is not None else ():
        if os.pread(file.descriptor, count, at) != _repeated(passes[-1] or b"", at, count):
            raise OSError(errno.EIO, f"what was written at byte {at} is not there", str(file.path))
        done += count
        job.step(done, total)


def _portions(parts: list[Range]) -> Iterator[Range]:
    """Where each begins, and how long it is."""
    for start, stop in parts:
        for at in range(start, stop, BLOCK):
            yield at, min(BLOCK, stop - at)


def _repeated(pattern: bytes, at: int, count: int) -> bytes:
    shift = at % len(pattern)
    return (pattern * (count // len(pattern) + 2))[shift : shift + count]
