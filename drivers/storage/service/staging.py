"""A volume is made under a name that nobody sees, and gets its own when it is whole.

What is made under that name goes when something fails; after a crash the next opening of the pool sweeps it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from embervirt import disk, world
from embervirt.actors.fence import Fence
from embervirt.disk import File
from embervirt.drivers.root.files import explained, place
from embervirt.drivers.storage.errors import StorageSystemError, exists
from embervirt.drivers.storage.model import Permissions
from embervirt.drivers.storage.model.permissions import NOBODY
from embervirt.drivers.storage.validate import names
from embervirt.errors import libvirtError
from embervirt.log import get_logger

LONGEST = (1 << 63) - (1 << 30)
"""Bytes of an image that QEMU opens (BDRV_MAX_LENGTH of its block layer)."""

NO_SPACE = os.strerror(errno.ENOSPC)
MODE = 0o600


def check_length(what: str, length: int) -> None:
    """Raises StorageSystemError (EFBIG) for an image that some file system takes and nobody opens."""
    if length > LONGEST:
        text = f"cannot {what}: {os.strerror(errno.EFBIG)}: {length} bytes, at most {LONGEST}"
        raise StorageSystemError(text, int1=errno.EFBIG)


def name_for_staging() -> str:
    """A name that nobody else has."""
    return names.name_for_staging(world.token_bytes(8))


@contextmanager
def staged(path: Path) -> Iterator[None]:
    """Whatever is at ``path`` afterwards goes."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the first error is the one to tell; a sweep gets what is left
            disk.unlink(path, missing_ok=True)


@contextmanager
def created(path: Path) -> Iterator[File]:
    """A new file, open to be written anywhere, on disk at the end of the ``with``."""
    disk.close(disk.create(path))
    with in_place(path) as file:
        yield file
        disk.sync(file)


@contextmanager
def in_place(path: Path) -> Iterator[File]:
    """A volume's file to be changed where it is; never what a symbolic link leads to.

    Raises OSError, of EINVAL for what is neither a file nor a block device.
    """
    file = disk.open_in_place(path)
    try:
        _check_kind(file.descriptor, path)
        yield file
    finally:
        disk.close(file)


@contextmanager
def to_read(path: Path) -> Iterator[int]:
    """A volume's file, never what a symbolic link leads to, and of a file system that is not written to too.

    Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        _check_kind(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


def _check_kind(descriptor: int, path: Path) -> None:
    """A FIFO, say, would be read for ever."""
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise OSError(errno.EINVAL, "it is neither a file nor a block device", str(path))


def permit(path: Path, wanted: Permissions) -> None:
    """Mode and owner of a new volume; what is not said is 0600 and as the file is."""
    disk.set_mode(path, MODE if wanted.mode is None else wanted.mode)
    uid, gid = _owner(wanted.owner), _owner(wanted.group)
    if (uid, gid) != (-1, -1):
        disk.give(path, uid, gid)


def _owner(number: int | None) -> int:
    return -1 if number in (None, NOBODY) else int(number)


def reveal(path: Path, target: Path, fence: Fence) -> None:
    """Give it its name, durably, unless something has it. Raises VolumeExists, SystemError_, Fenced."""
    with explained("create volume", target):
        try:
            place(path, target, fence=fence)
        except FileExistsError:
            raise exists(target.name) from None
        disk.sync_directory(target.parent)


def replace(path: Path, target: Path, found: os.stat_result, fence: Fence) -> None:
    """Take the place of a volume that was ``found``, with its mode and owner, durably.

    Raises SystemError_, Fenced.
    """
    with explained("replace volume", target):
        disk.set_mode(path, found.st_mode & 0o7777)
        disk.give(path, found.st_uid, found.st_gid)
        with fence.guard():
            disk.rename(path, target)
        disk.sync_directory(target.parent)


def sweep(directory: Path, left: Iterable[Path]) -> None:
    """Remove those of ``left`` that are in it: what jobs that are over made and could not remove.

    Others of such names may be what another root or host is just making: the directory can be theirs too.
    """
    try:
        for path in left:
            if path.parent == directory:
                disk.unlink(path, missing_ok=True)
    except OSError as error:
        get_logger(driver="storage").warning("half-made volumes stay", pool=str(directory), error=str(error))


@contextmanager
def room(directory: Path, what: str, needed: Callable[[], int]) -> Iterator[None]:
    """Around what needs so many bytes on disk: that there are too few is an error which says how many.

    Raises StorageSystemError (``int1`` ENOSPC), and other errors of the system under their own number.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise too_little(directory, what, needed()) from error
        text = f"cannot {what}: {error.strerror}"
        raise StorageSystemError(text, int1=error.errno or -1) from error
    except libvirtError as error:
        if NO_SPACE in str(error) and error.get_int1() != errno.ENOSPC:
            raise too_little(directory, what, needed()) from error
        raise


def too_little(directory: Path, what: str, needed: int) -> StorageSystemError:
    """The error: so many bytes are missing."""
    found = os.statvfs(directory)
    free = found.f_frsize * found.f_bavail
    if needed > free:
        left = f"{needed} bytes are needed in '{directory}' and {free} are free: {needed - free} are missing"
    else:
        left = f"more is needed in '{directory}' than the {free} bytes that are free"
    return StorageSystemError(f"cannot {what}: {NO_SPACE}: {left}", int1=errno.ENOSPC)
