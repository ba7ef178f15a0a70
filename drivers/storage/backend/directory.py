"""Pools of kind ``dir``: the files of one directory. Others that are mounted are such a directory too."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from pathlib import Path

from embervirt import disk
from embervirt.drivers.root.files import explained
from embervirt.drivers.storage.backend import looking
from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.backend.protocol import Devices, Volumes
from embervirt.drivers.storage.errors import StorageInvalid
from embervirt.drivers.storage.model import Pool
from embervirt.drivers.storage.model.permissions import NOBODY
from embervirt.drivers.storage.tables import Space, VolumeRow

MODE = 0o711
"""Of a directory that is built, unless the XML says another."""

NO_OVERWRITE, OVERWRITE = 4, 8


class Directory:
    """Nothing to start or stop: it is there, or is built."""

    devices: Devices | None = None

    def build(self, pool: Pool, flags: int, programs: Programs) -> None:
        """Made with the directories above it, with mode and owner as the XML says; it may be there."""
        if flags & (NO_OVERWRITE | OVERWRITE):
            raise StorageInvalid(f"No source device specified when formatting pool '{pool.name}'")
        self.make_directory(pool)

    def make_directory(self, pool: Pool) -> None:
        """That of its target."""
        path, wanted = Path(pool.path), pool.permissions
        with explained("create directory", path), ExitStack() as undo:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_dir():
                disk.make_directory(path, MODE if wanted.mode is None else wanted.mode)
                undo.callback(disk.remove_directory, path)
            elif wanted.mode is not None:
                path.chmod(wanted.mode)
            os.chown(path, owner(wanted.owner), owner(wanted.group))
            if pool.cow is not None:
                _copy_on_write(path, on=pool.cow)
            undo.pop_all()

    def start(self, pool: Pool, programs: Programs) -> None:
        """It must be there. Raises SystemError_."""
        path = Path(pool.path)
        with explained("open directory", path):
            if not path.stat() or not path.is_dir():
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def stop(self, pool: Pool, programs: Programs) -> None:
        """Nothing to do."""

    def delete(self, pool: Pool, programs: Programs) -> None:
        """An empty directory. Raises SystemError_."""
        with explained("remove pool", Path(pool.path)):
            disk.remove_directory(Path(pool.path))

    def usable(self, pool: Pool, recorded: bool, programs: Programs) -> bool:
        """A directory is there or not: what it is used for is only on record."""
        return recorded

    def check(self, pool: Pool) -> None:
        """Nothing to do: a directory that went is an error of its own."""

    def look(self, pool: Pool, known: Volumes, programs: Programs) -> tuple[Space, dict[str, VolumeRow]]:
        """The files in it."""
        with explained("open directory", Path(pool.path)):
            return space(pool.path), looking.volumes(pool.path, known)

    def look_at(self, pool: Pool, name: str, programs: Programs) -> tuple[Space, VolumeRow | None]:
        """One of them."""
        with explained("open directory", Path(pool.path)):
            return space(pool.path), looking.one(pool.path, name)


def _copy_on_write(path: Path, *, on: bool) -> None:
    """What ``<cow state=>`` wants of the files to come. Raises OSError: only btrfs can switch it off."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        disk.copy_on_write(descriptor, on=on)
    finally:
        os.close(descriptor)


def space(path: str) -> Space:
    """Of the file system that ``path`` is on. Raises OSError."""
    found = os.statvfs(path)
    capacity, available = found.f_frsize * found.f_blocks, found.f_frsize * found.f_bfree
    return Space(capacity, capacity - available, available)


def owner(number: int | None) -> int:
    """For chown: -1 leaves the one that it has."""
    return -1 if number in (None, NOBODY) else int(number)
