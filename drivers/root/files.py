"""Files that are whole after any crash: written beside, synced, renamed, the directory synced.

A failure at any step leaves the old content and no temporary file behind. The one exception is a
crash of the process: ``sweep`` removes what it left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from embervirt import disk, world
from embervirt.drivers.root.errors import FileRefused
from embervirt.errors import SystemError_

LARGEST = 16 << 20
"""Bytes: no file of a root that is read whole is larger."""

PORTION = 4096
"""Bytes that are read beyond the size of a file: its end, or what it has grown by."""

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""A file system without hard links says one of these; a sync that fails there leaves the new content."""

REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}
"""What a disk says that takes nothing, whichever file it is."""

READS = {"read", "read volume", "look at", "open directory", "start QEMU"}
"""What changes nothing, as an error calls it."""

_PREFIX, _SUFFIX = ".embervirt", ".tmp"

_TOLD: dict[str, Callable[[Path, str], None]] = {}
"""By directory: who hears of what the disk refused below it, and why."""


class Fence(Protocol):
    """The right to write, of one generation of an actor."""

    def guard(self) -> AbstractContextManager[None]:
        """Entered around the step that makes a write visible; raises when the generation was given up."""


def write(
    path: Path,
    data: bytes | Iterable[bytes],
    *,
    durable: bool,
    mode: int = 0o600,
    fence: Fence | None = None,
) -> None:
    """Replace the content of ``path``, in one piece or in several; ``mode`` is exact, whatever the umask.

    ``durable``: on disk when this returns. Volatile files need the rename, not the syncs.
    Raises SystemError_ with the errno as ``int1``; the old file is then as it was.
    """
    with explained("write", path), _discarded(_temporary(path)) as staged:
        _fill(disk.create(staged, mode, target=path), data, durable)
        _commit(lambda: disk.rename(staged, path), path, durable, fence)


def write_new(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """A file, durably, unless there is one by then: that stays as it is. Raises SystemError_."""
    with explained("write", path), _discarded(_temporary(path)) as staged:
        _fill(disk.create(staged, mode, target=path), data, durable=True)
        with contextlib.suppress(FileExistsError):
            place(staged, path)
        disk.sync_directory(path.parent)


def place(staged: Path, path: Path, *, fence: Fence | None = None) -> None:
    """Give a file its name. Raises FileExistsError when something has it, other OSErrors, as the fence."""
    guard = nullcontext if fence is None else fence.guard
    try:
        with guard():
            disk.link(staged, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with guard():  # where a file has one name only
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            disk.rename(staged, path)


def point(path: Path, target: Path, *, durable: bool, fence: Fence | None = None) -> None:
    """Make ``path`` a symbolic link to ``target``, in the place of what is there. Raises SystemError_."""
    with explained("link", path), _discarded(_temporary(path)) as staged:
        disk.symlink(staged, target)
        _commit(lambda: disk.rename(staged, path), path, durable, fence)


def move(path: Path, target: Path, *, fence: Fence | None = None) -> None:
    """Give a file or directory of the root another name, durably; nothing when it is not there."""
    if os.path.lexists(path):
        with explained("rename", path):
            _commit(lambda: disk.rename(path, target), target, True, fence)


def remove(path: Path, *, durable: bool, fence: Fence | None = None) -> None:
    """Delete ``path``; no error when it is not there. Raises SystemError_."""
    with explained("remove", path):
        _commit(lambda: disk.unlink(path, missing_ok=True), path, durable, fence)


def read(path: Path, *, limit: int = LARGEST) -> bytes:
    """The content of a regular file of the root, in bounded time.

    Raises SystemError_ (``int1`` ENOENT when there is none), FileRefused for anything that is not a
    plain file of at most ``limit`` bytes which belongs to us, to root, or to the directory's owner.
    """
    with _opened(path, limit) as (descriptor, size):
        return _read_all(descriptor, path, limit, size)


def lines(path: Path, *, limit: int = LARGEST) -> Iterator[bytes]:
    """The same a line at a time, for a file of many. Raises as ``read``, with the first."""
    with _opened(path, limit) as (descriptor, _), os.fdopen(descriptor, "rb", closefd=False) as file:
        yield from file


@contextmanager
def _opened(path: Path, limit: int) -> Iterator[tuple[int, int]]:
    """A descriptor to read from, and the file's size."""
    with explained("read", path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            _check(path, found, limit)
            yield descriptor, found.st_size
        finally:
            os.close(descriptor)


@contextmanager
def appending(path: Path) -> Iterator[disk.File]:
    """A log, made when it is not there. Whose a program is that gets its descriptor does not matter."""
    try:
        opened = disk.create(path)
    except FileExistsError:
        opened = disk.append_to(path)
    try:
        yield opened
    finally:
        disk.close(opened)


def make_directories(paths: Iterable[Path]) -> None:
    """Create directories with their parents, 0700 whatever the umask; existing ones stay as they are."""
    for path in paths:
        with explained("create directory", path):
            _make_directory(path)


def tell_refusals(directory: Path, refused: Callable[[Path, str], None]) -> None:
    """From now on ``refused(path, why)`` of each change below it that the disk does not take."""
    _TOLD[f"{directory}/"] = refused


def tell_no_more(directory: Path) -> None:
    """More than once is fine."""
    _TOLD.pop(f"{directory}/", None)


def probe(directory: Path) -> None:
    """Whether it takes a file, durably; nothing is left of that. Raises SystemError_."""
    path = directory / f"{_PREFIX}.probe{_SUFFIX}"
    with explained("write", path), _discarded(path):
        disk.unlink(path, missing_ok=True)
        _fill(disk.create(path), b"probe", durable=True)


def settle(directories: Iterable[Path]) -> None:
    """Make what is in these directories by name durable. Raises SystemError_."""
    for path in directories:
        with explained("sync directory", path):
            disk.sync_directory(path)


def sweep(directory: Path) -> None:
    """Remove temporary files that a crashed process left; only the owner of the root may call it."""
    with explained("clean", directory):
        for left in directory.glob(f"{_PREFIX}*{_SUFFIX}"):
            disk.unlink(left, missing_ok=True)


def _commit(change: Callable[[], object], path: Path, durable: bool, fence: Fence | None) -> None:
    """Make a change of ``path`` visible, and durable.

    If the directory's sync fails, nobody knows what is on disk: the old file is put back.
    """
    with _undoable(path) if durable else nullcontext(_nothing) as put_back:
        with _guard(fence):
            change()
        try:
            if durable:
                disk.sync_directory(path.parent)
        except OSError:
            with _guard(fence):
                put_back()
            raise


@contextlib.contextmanager
def _undoable(path: Path) -> Iterator[Callable[[], object]]:
    """Yields what puts the present file back; it has a second name meanwhile."""
    second = _temporary(path)
    try:
        disk.link(path, second)
    except FileNotFoundError:
        yield lambda: disk.unlink(path, missing_ok=True)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        yield _nothing
    else:
        with _discarded(second):
            yield lambda: disk.rename(second, path)


def _nothing() -> None:
    """Nothing to put back."""


@contextlib.contextmanager
def _discarded(temporary: Path) -> Iterator[Path]:
    """Remove the file afterwards, unless it was renamed."""
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):  # the first error is the one to tell; sweep() gets what is left
            disk.unlink(temporary, missing_ok=True)


def _fill(staged: disk.File, data: bytes | Iterable[bytes], durable: bool) -> None:
    try:
        for each in (data,) if isinstance(data, bytes) else data:
            disk.write_all(staged, each)
        if durable:
            disk.sync(staged)
    finally:
        disk.close(staged)


def _read_all(descriptor: int, path: Path, limit: int, size: int) -> bytes:
    """In buffers of about its size: large ones, on each actor's thread, leave holes that malloc keeps."""
    data = b""
    while chunk := os.read(descriptor, size + PORTION):
        data += chunk
        if len(data) > limit:
            raise FileRefused(f"file '{path}' grew over {limit} bytes while it was read")
    return data


def _temporary(path: Path) -> Path:
    """Not by ``/``, which interns the name: see ``supervisor.proc``."""
    return (path.parent / _PREFIX).with_suffix(f".{world.token_bytes(8).hex()}{_SUFFIX}")


def _guard(fence: Fence | None) -> AbstractContextManager[None]:
    return nullcontext() if fence is None else fence.guard()


def _make_directory(path: Path) -> None:
    if path.is_dir():
        return
    if path.parent != path:
        _make_directory(path.parent)
    try:
        disk.make_directory(path)
    except FileExistsError:
        if not path.is_dir():
            raise


def _check(path: Path, found: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise FileRefused(f"'{path}' is not a regular file")
    if found.st_size > limit:
        raise FileRefused(f"file '{path}' has {found.st_size} bytes, at most {limit} are accepted")
    if found.st_uid not in {0, os.geteuid(), path.parent.stat().st_uid}:
        who = f"expected {os.geteuid()}, root or the owner of the directory"
        raise FileRefused(f"file '{path}' belongs to user {found.st_uid}, {who}")


@contextlib.contextmanager
def explained(what: str, path: Path) -> Iterator[None]:
    """Name the operation and the file in the error that the caller gets."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ELOOP:
            message = f"'{path}' is a symbolic link, expected a regular file"
            raise FileRefused(message, int1=errno.ELOOP) from error
        if error.errno in REFUSALS and what not in READS:
            for directory, refused in _TOLD.copy().items():
                if str(path).startswith(directory):
                    refused(path, error.strerror or str(error))
        raise SystemError_(f"cannot {what} '{path}': {error.strerror}", int1=error.errno or -1) from error
