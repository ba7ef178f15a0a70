"""Every change of a file below a root goes through here: one system call, or as few as one change needs.

Written ``disk.rename(...)``, never ``from embervirt.disk import rename``, so that ``substituted`` reaches
every user: a simulation puts functions of its own in the place of these and may call the real ones, which
go on to change real files. Of reads only one is here, of a journal. Every function raises OSError, and
passes the fault point that it names before it does anything.

Below a directory that is held nothing is changed once another is in its place: ESTALE.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import itertools
import os
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from embervirt import faults
from embervirt.world import substitution

PRIVATE = 0o600

FICLONE = 0x40049409
"""``_IOW(0x94, 9, int)`` of linux/fs.h."""

KEEP_SIZE, PUNCH_HOLE = 1, 2
"""FALLOC_FL_* of linux/falloc.h."""

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_NOCOW_FL = 0x80086601, 0x40086602, 0x00800000
"""Of linux/fs.h; the flags are an int, though the numbers say long."""

RANGE_WRITE = 2
"""SYNC_FILE_RANGE_WRITE of linux/fs.h."""

_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class File:
    """Open for writing. ``target`` is the file it will be when it was renamed, else ``path`` again."""

    descriptor: int
    path: Path
    target: Path

    def fileno(self) -> int:
        """For who passes it on or locks it."""
        return self.descriptor


# Directories that must stay the same.

_HELD: dict[str, tuple[int, int]] = {}
"""Their device and inode, by path."""


def hold(directory: Path) -> None:
    """From now on only this directory is written below its path; if it is renamed, nothing is."""
    found = directory.stat()
    _HELD[f"{directory}/"] = found.st_dev, found.st_ino


def let_go(directory: Path) -> None:
    """No longer; more than once is fine."""
    _HELD.pop(f"{directory}/", None)


def _check(path: Path) -> None:
    """A microsecond, and the name may still change before what follows: it is no lock."""
    text = str(path)
    for directory, identity in _HELD.copy().items():
        if text.startswith(directory) and _identity(directory) != identity:
            raise OSError(errno.ESTALE, f"'{directory}' is no longer the directory that was opened", text)


def _identity(directory: str) -> tuple[int, int] | None:
    try:
        found = os.stat(directory)  # noqa: PTH116 - a Path would cost as much as the call
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


# Files.


def create(path: Path, mode: int = PRIVATE, *, target: Path | None = None) -> File:
    """A new file, of exactly ``mode``; FileExistsError when the name is taken, by a link too."""
    _check(path)
    if faults.armed:
        faults.hit("file.created", path=target or path)
    made = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, target or path)
    try:
        os.fchmod(made.descriptor, mode)
    except OSError:
        os.close(made.descriptor)
        raise
    return made


def append_to(path: Path) -> File:
    """An existing file: what is written goes to its end, wherever that is by then."""
    _check(path)
    if faults.armed:
        faults.hit("file.opened", path=path)
    return _open(path, os.O_WRONLY | os.O_APPEND, path)


def open_lock(path: Path) -> File:
    """A file that stays and is locked: read and written in place, made when it is not there."""
    _check(path)
    if faults.armed:
        faults.hit("file.opened", path=path)
    return _open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, path)


def _open(path: Path, flags: int, target: Path) -> File:
    return File(os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE), path, target)


def write(file: File, data: bytes | memoryview) -> int:
    """One call of the kernel: how many bytes it took, which may be fewer than there are."""
    _check(file.path)
    if faults.armed:
        faults.hit("file.written", path=file.target, tear=lambda size: os.write(file.descriptor, data[:size]))
    return os.write(file.descriptor, data)


def write_all(file: File, data: bytes) -> None:
    """In as many calls as it takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[write(file, rest) :]


def open_in_place(path: Path) -> File:
    """An existing file whose content is changed where it is; ELOOP for a symbolic link."""
    _check(path)
    if faults.armed:
        faults.hit("file.opened", path=path)
    return _open(path, os.O_RDWR | os.O_NONBLOCK, path)


def write_at(file: File, data: bytes | memoryview, offset: int) -> int:
    """One call of the kernel, of a file that was not opened to append: how many bytes it took."""
    if faults.armed:
        faults.hit(
            "file.written",
            path=file.target,
            tear=lambda size: os.pwrite(file.descriptor, data[:size], offset),
        )
    return os.pwrite(file.descriptor, data, offset)


def allocate(file: File, offset: int, length: int) -> None:
    """These bytes have room on disk from now on; what is there stays, what is new is zero."""
    if faults.armed:
        faults.hit("file.truncated", path=file.target)
    os.posix_fallocate(file.descriptor, offset, length)


def punch(file: File, offset: int, length: int) -> None:
    """These bytes are a hole from now on, and zero; EOPNOTSUPP where the file system has no holes."""
    if faults.armed:
        faults.hit("file.truncated", path=file.target)
    arguments = map(ctypes.c_longlong, (offset, length))
    if _LIBC.fallocate(file.descriptor, PUNCH_HOLE | KEEP_SIZE, *arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(file.path))


def reflink(file: File, source: int) -> None:
    """Share all data of the descriptor ``source``; EOPNOTSUPP or EXDEV where that cannot be."""
    if faults.armed:
        faults.hit("file.truncated", path=file.target)
    fcntl.ioctl(file.descriptor, FICLONE, source)


def copy_on_write(descriptor: int, *, on: bool) -> None:
    """Whether data that a file, or new files of a directory, will have is copied on write.

    EOPNOTSUPP, ENOTTY where the file system cannot switch that off: btrfs can.
    """
    flags = bytearray(4)
    fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, flags)
    given = int.from_bytes(flags, sys.byteorder)
    wanted = given & ~FS_NOCOW_FL if on else given | FS_NOCOW_FL
    fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, wanted.to_bytes(4, sys.byteorder))


def copy(file: File, source: int, offset: int, length: int) -> int:
    """Copy bytes of the descriptor ``source`` to the same place, in the kernel: how many; 0 at its end."""
    if faults.armed:
        faults.hit(
            "file.written",
            path=file.target,
            tear=lambda size: os.copy_file_range(source, file.descriptor, size, offset, offset),
        )
    return os.copy_file_range(source, file.descriptor, length, offset, offset)


def truncate(file: File, length: int) -> None:
    """Cut it to ``length`` bytes, or make it so long."""
    if faults.armed:
        faults.hit("file.truncated", path=file.target)
    os.ftruncate(file.descriptor, length)


def sync(file: File) -> None:
    """What was written is on disk when this returns; once it failed, nobody knows what is."""
    if faults.armed:
        faults.hit("file.synced", path=file.target)
    os.fsync(file.descriptor)


def begin_sync(descriptor: int, offset: int = 0, length: int = 0) -> None:
    """These bytes, 0 for all to the end, begin to go to disk, and nobody waits: a later ``sync`` finds less
    to do. It is advice, which a file system may not take, and promises nothing."""
    _LIBC.sync_file_range(descriptor, *map(ctypes.c_longlong, (offset, length)), RANGE_WRITE)


def close(file: File) -> None:
    """Once."""
    os.close(file.descriptor)


def set_mode(path: Path, mode: int) -> None:
    """Of a file or a directory, whatever the umask was; never of what a symbolic link leads to (ELOOP)."""
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        os.chmod(f"/proc/self/fd/{descriptor}", mode)  # noqa: PTH101
    finally:
        os.close(descriptor)


def give(path: Path, uid: int, gid: int, *, descriptor: int | None = None) -> None:
    """Another owner: of what ``descriptor`` denotes, even one of O_PATH; else of ``path``, and never of what
    a symbolic link there leads to."""
    _check(path)
    if faults.armed:
        faults.hit("file.given", path=path)
    if descriptor is None:
        os.chown(path, uid, gid, follow_symlinks=False)
    else:
        os.chown(f"/proc/self/fd/{descriptor}", uid, gid)


def give_tree(path: Path, uid: int, gid: int) -> None:
    """A directory and all that is in it, links as links, to another owner; nothing to do if it is his."""
    if (path.stat().st_uid, path.stat().st_gid) == (uid, gid):
        return
    for _, directories, files, descriptor in os.fwalk(path):
        for name in (*directories, *files):
            os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
    give(path, uid, gid)


class UnusableError(OSError):
    """What is there is no plain file, too long, or cannot be read."""


def read(path: Path, limit: int) -> bytes:
    """A whole file of at most ``limit`` bytes, in bounded time. FileNotFoundError, UnusableError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
                what = f"expected a plain file of at most {limit} bytes"
                raise UnusableError(errno.EINVAL, what, str(path))
            return os.read(descriptor, found.st_size)  # Linux reads up to 2 GiB at once
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EIO, errno.ENXIO):
            raise UnusableError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


# Names.


def set_aside(path: Path) -> Path:
    """What nobody can use, whatever it is, gets a name that nobody looks for: this one."""
    names = (path.with_name(f"{path.name}.unusable-{n}") for n in itertools.count(1))
    free = next(each for each in names if not os.path.lexists(each))
    rename(path, free)
    return free


def rename(path: Path, target: Path) -> None:
    """At once in the place of what is there."""
    _check(target)
    if faults.armed:
        faults.hit("file.renamed", path=target)
    path.rename(target)


def link(path: Path, second: Path) -> None:
    """A second name for the same file; of a symbolic link, for the link."""
    _check(path)
    if faults.armed:
        faults.hit("file.linked", path=path)
    os.link(path, second, follow_symlinks=False)


def symlink(path: Path, target: Path) -> None:
    """A new symbolic link; FileExistsError when the name is taken."""
    _check(path)
    if faults.armed:
        faults.hit("file.linked", path=path)
    path.symlink_to(target)


def unlink(path: Path, *, missing_ok: bool = False) -> None:
    """Remove one name of a file."""
    _check(path)
    if faults.armed:
        faults.hit("file.removed", path=path)
    path.unlink(missing_ok=missing_ok)


# Directories.


def make_directory(path: Path, mode: int = 0o700) -> None:
    """One directory, of exactly ``mode``; FileExistsError when there is something of that name."""
    _check(path)
    if faults.armed:
        faults.hit("directory.made", path=path)
    path.mkdir(mode)
    path.chmod(mode)


def remove_directory(path: Path) -> None:
    """An empty one."""
    _check(path)
    if faults.armed:
        faults.hit("directory.removed", path=path)
    path.rmdir()


def remove_tree(path: Path) -> None:
    """A directory with all that is in it."""
    _check(path)
    if faults.armed:
        faults.hit("directory.removed", path=path)
    shutil.rmtree(path)


def sync_directory(path: Path) -> None:
    """Its renames, removals and new files are on disk when this returns."""
    if faults.armed:
        faults.hit("directory.synced", path=path)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


substituted = substitution(globals())
"""Puts other functions in the place of these, in all of the process, the real ones back afterwards."""
