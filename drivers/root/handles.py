"""A file in hand before it gets another owner: found step by step, so that nobody can exchange it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

LINKS = 40
"""Symbolic links on the way to one file, as many as the kernel follows."""

EVERYBODYS = frozenset({1, 5})
"""Major numbers of the kernel's devices for all: /dev/null, /dev/urandom; /dev/tty, /dev/ptmx
(Documentation/admin-guide/devices.txt)."""

_STEP = os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True)
class Handle:
    """``descriptor`` is of O_PATH; ``linkers``: whose symbolic links led here."""

    descriptor: int
    found: os.stat_result
    linkers: frozenset[int]

    def again(self) -> Handle:
        """As it is by now."""
        return replace(self, found=os.fstat(self.descriptor))

    @property
    def path(self) -> Path:
        """Where it is now, without symbolic links."""
        return Path(f"/proc/self/fd/{self.descriptor}").readlink()

    @property
    def identity(self) -> tuple[int, int]:
        """Which file it is until the host restarts: device and inode."""
        return self.found.st_dev, self.found.st_ino

    @property
    def owner(self) -> tuple[int, int]:
        """User and group."""
        return self.found.st_uid, self.found.st_gid

    @property
    def givable(self) -> bool:
        """Whether it can be one user's: no directory, no device that everybody uses."""
        mode = self.found.st_mode
        if stat.S_ISCHR(mode):
            return os.major(self.found.st_rdev) not in EVERYBODYS
        return stat.S_ISREG(mode) or stat.S_ISBLK(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


@contextmanager
def handle(path: Path) -> Iterator[Handle]:
    """What an absolute path leads to. Raises OSError."""
    descriptor, linkers = _walk(path)
    try:
        yield Handle(descriptor, os.fstat(descriptor), linkers)
    finally:
        os.close(descriptor)


def _walk(path: Path) -> tuple[int, frozenset[int]]:
    rest = list(reversed(Path("/", path).parts[1:]))
    linkers: list[int] = []
    at = os.open("/", _STEP)
    try:
        while rest:
            step = os.open(rest.pop(), _STEP, dir_fd=at)
            found = os.fstat(step)
            if not stat.S_ISLNK(found.st_mode):
                at = _instead(at, step)
                continue
            linkers.append(found.st_uid)
            target = _target(step)
            if target.is_absolute():
                at = _instead(at, os.open("/", _STEP))
            rest += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            if len(linkers) > LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    except OSError:
        os.close(at)
        raise
    return at, frozenset(linkers)


def _instead(at: int, step: int) -> int:
    os.close(at)
    return step


def _target(link: int) -> PurePath:
    try:
        return PurePath(os.readlink("", dir_fd=link))
    finally:
        os.close(link)
