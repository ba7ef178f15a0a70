"""One owner of a root at a time: a ``flock``, and besides it the locks libvirt's embedded drivers take.

The kernel releases all of them when the owner dies. Libvirt locks the first byte of its pid files with
``fcntl(F_SETLK)``, which any ``close`` of such a file by anyone in the process would drop. The same byte
is locked here with an open-file-description lock: it conflicts with libvirt's just the same, and lasts
as long as the descriptor, like the ``flock``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from embervirt import disk
from embervirt.drivers.root.files import make_directories
from embervirt.drivers.root.owner import Owner
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import RootBusy, SystemError_

_HELD: set[RootLock] = set()


@dataclass(eq=False)
class RootLock:
    """The descriptors whose locks make this process the owner of a root."""

    paths: RootPaths
    descriptors: tuple[int, ...]

    @classmethod
    def acquire(cls, paths: RootPaths) -> RootLock:
        """Become the owner. Raises RootBusy (38, ``int1`` 11) naming the present owner, or SystemError_.

        A dead owner's root is free at once. Within one process the caller keeps a table of its open
        roots: a second ``acquire`` is refused like a foreign one.
        """
        make_directories([paths.lock_file.parent, paths.qemu_run, paths.secrets_run])
        with ExitStack() as undo:
            held = list(_lock_all(paths, undo))
            _name_owner(paths, held)
            undo.pop_all()
        lock = cls(paths, tuple(each.descriptor for each in held))
        _HELD.add(lock)
        disk.hold(paths.path)
        return lock

    def release(self) -> None:
        """Give the root up; twice is once. The files stay: removing one would race with its next owner.

        Unlocked before it is closed, because a child forked this instant may have it open still.
        """
        for descriptor in self.descriptors:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _byte(fcntl.F_UNLCK))
        self._close()

    def close_in_child(self) -> None:
        """In a forked child: close, never unlock, for the lock is shared with the parent."""
        self._close()

    def _close(self) -> None:
        descriptors, self.descriptors = self.descriptors, ()
        _HELD.discard(self)
        disk.let_go(self.paths.path)
        for descriptor in descriptors:
            os.close(descriptor)


def _lock_all(paths: RootPaths, undo: ExitStack) -> Iterator[disk.File]:
    """Our own lock first: in a root of another embervirt, libvirt's files are not even opened."""
    yield _lock(paths, paths.lock_file, undo)
    for path in paths.libvirt_locks:
        yield _lock(paths, path, undo)


def _lock(paths: RootPaths, path: Path, undo: ExitStack) -> disk.File:
    while True:
        opened = _open(path)
        undo.callback(disk.close, opened)
        try:
            _take(opened.descriptor, own=path == paths.lock_file)
        except OSError as error:
            raise _refusal(paths, path, error) from error
        if _is_still(opened.descriptor, path):
            return opened


def _open(path: Path) -> disk.File:
    try:
        opened = disk.open_lock(path)
    except OSError as error:
        raise _failure("open pid file", path, error) from error
    if not stat.S_ISREG(os.fstat(opened.descriptor).st_mode):
        disk.close(opened)
        raise SystemError_(f"Failed to open pid file '{path}': expected a regular file", int1=errno.EINVAL)
    return opened


def _take(descriptor: int, *, own: bool) -> None:
    if own:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _byte(fcntl.F_WRLCK))


def _byte(kind: int) -> bytes:
    """``struct flock``: the byte libvirt locks, start 0 and length 1; pid 0, as such locks ask for."""
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 1, 0)


def _is_still(descriptor: int, path: Path) -> bool:
    """Libvirt removes its pid file when it closes: a lock on the removed file keeps nobody out."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _refusal(paths: RootPaths, path: Path, error: OSError) -> SystemError_:
    """In libvirt's words (its users search for them), and who it is."""
    if error.errno not in (errno.EAGAIN, errno.EACCES):
        return _failure("lock", path, error)
    owner = Owner.parse(path) if path == paths.lock_file else Owner.of_pid_file(path)
    what = f"Failed to acquire pid file '{paths.libvirt_locks[0]}': {os.strerror(errno.EAGAIN)}"
    who = "another process" if owner is None else str(owner)
    return RootBusy(f"{what}: root '{paths.path}' is owned by {who}", int1=errno.EAGAIN)


def _name_owner(paths: RootPaths, held: list[disk.File]) -> None:
    """Write who we are; libvirt's files hold the bare pid."""
    texts = (Owner.myself().text(), *[str(os.getpid())] * len(paths.libvirt_locks))
    try:
        for file, text in zip(held, texts, strict=True):
            disk.truncate(file, 0)
            disk.write_all(file, text.encode(errors="surrogateescape"))
    except OSError as error:
        raise _failure("write pid files of", paths.path, error) from error


def _failure(what: str, path: Path, error: OSError) -> SystemError_:
    return SystemError_(f"Failed to {what} '{path}': {error.strerror}", int1=error.errno or -1)


def _close_all_in_child() -> None:
    for lock in list(_HELD):
        lock.close_in_child()


os.register_at_fork(after_in_child=_close_all_in_child)
