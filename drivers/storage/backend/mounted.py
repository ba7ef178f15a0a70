"""Pools of kinds ``fs`` and ``netfs``: a directory that a device or an export is mounted on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from embervirt.drivers.storage.backend import contents
from embervirt.drivers.storage.backend.directory import NO_OVERWRITE, OVERWRITE, Directory
from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.backend.protocol import Volumes
from embervirt.drivers.storage.errors import StorageFailed, StorageInvalid
from embervirt.drivers.storage.images import pools
from embervirt.drivers.storage.model import Pool
from embervirt.drivers.storage.tables import Space, VolumeRow

MOUNTS = Path("/proc/self/mounts")
BLOCKS = Path("/sys/block")
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mounted(Directory):
    """Usable while its own source is mounted on its target, by whomever."""

    def start(self, pool: Pool, programs: Programs) -> None:
        """Mounted, unless it is. Raises StorageFailed for a target that something else is mounted on."""
        there = list(mounts(pool.path))
        if any(same(pool, source) for source in there):
            return
        if there:
            raise StorageFailed(
                f"cannot mount '{pools.mounted(pool)}' on '{pool.path}': '{there[-1]}' is mounted there"
            )
        for argv in pools.start(pool):
            programs.run(argv)

    def stop(self, pool: Pool, programs: Programs) -> None:
        """Not mounted: also when somebody else saw to that."""
        if self.usable(pool, True, programs):
            for argv in pools.stop(pool):
                programs.run(argv)

    def usable(self, pool: Pool, recorded: bool, programs: Programs) -> bool:
        """Whether it is mounted, whoever did it."""
        return any(same(pool, source) for source in mounts(pool.path))

    def check(self, pool: Pool) -> None:
        """Raises StorageFailed when somebody unmounted it: what is below it is none of its files."""
        if not any(same(pool, source) for source in mounts(pool.path)):
            raise StorageFailed(f"'{pools.mounted(pool)}' is no longer mounted on '{pool.path}'")

    def look(self, pool: Pool, known: Volumes, programs: Programs) -> tuple[Space, dict[str, VolumeRow]]:
        """The files in it. Raises as ``check``."""
        self.check(pool)
        return super().look(pool, known, programs)


class FileSystem(Mounted):
    """Of a block device."""

    def build(self, pool: Pool, flags: int, programs: Programs) -> None:
        """Its directory; with a flag also the file system, with NO_OVERWRITE on a device without anything.

        Raises OperationInvalid, PoolBuilt, StorageUnsupported for a format that cannot be made.
        """
        self.make_directory(pool)
        if not flags & (NO_OVERWRITE | OVERWRITE):
            return
        device = pools.mounted(pool)
        if not Path(device).exists():
            text = f"Source device does not exist when formatting pool '{pool.name}'"
            raise StorageInvalid(f"{text}: '{device}'")
        commands = pools.build(pool, overwrite=bool(flags & OVERWRITE))
        if not flags & OVERWRITE:
            contents.check_empty(device, pool.format or "", programs)
        for argv in commands:
            programs.run(argv)


def mounts(target: str) -> Iterator[str]:
    """What is mounted on that path, the uppermost last. Raises OSError."""
    wanted = os.path.realpath(target)
    for line in MOUNTS.read_text(errors="surrogateescape").splitlines():
        source, path, *_ = map(_plain, line.split(" "))
        if path == wanted:
            yield source


def _plain(field: str) -> str:
    """Space, tab, line feed and backslash are written in octal there (proc(5), getmntent(3))."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), field)


def same(pool: Pool, source: str) -> bool:
    """Whether that is what the pool mounts; a device may have several names, and a file is behind one."""
    own = pools.mounted(pool)
    if pool.type == "netfs":
        return own.rstrip("/") == source.rstrip("/")
    return os.path.realpath(own) in (os.path.realpath(source), file_of(source))


def file_of(device: str) -> str | None:
    """The file that a loop device has; mount makes one for a file that it is to mount."""
    try:
        return (BLOCKS / Path(device).name / "loop/backing_file").read_text().removesuffix("\n")
    except OSError:
        return None
