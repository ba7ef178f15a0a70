"""Who owns a root, as its lock file says it and as the kernel confirms it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from embervirt.drivers.root import files
from embervirt.errors import libvirtError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
COMMAND = 200
"""Characters of the command that are kept: enough to know the program again."""


@dataclass(frozen=True)
class Owner:
    """A process. ``ticks``: its start in clock ticks after the boot ``boot``; ``since``: that as a date."""

    pid: int
    ticks: int
    boot: str
    since: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} (started {self.since}, command '{self.command}')"

    @classmethod
    def myself(cls) -> Owner:
        """This process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Owner:
        """A running process. Raises ``psutil.Error`` when there is none, or it may not be looked at."""
        process = psutil.Process(pid)
        since = datetime.fromtimestamp(process.create_time(), UTC).isoformat(timespec="seconds")
        command = " ".join(process.cmdline())[:COMMAND].replace("\n", " ")
        return cls(pid, _start_ticks(pid), BOOT_ID.read_text().strip(), since, command)

    def text(self) -> str:
        """The lock file's content: one ``name value`` a line."""
        return "".join(f"{name} {getattr(self, name)}\n" for name in _FIELDS)

    @classmethod
    def parse(cls, path: Path) -> Owner | None:
        """The owner a lock file names; None when the name is not written yet, or is a dead one's."""
        try:
            lines = files.read(path, limit=4096).decode(errors="surrogateescape").strip("\n").split("\n")
            pid, ticks, boot, since, command = (line.split(" ", 1)[1] for line in lines)
            owner = cls(int(pid), int(ticks), boot, since, command)
        except (libvirtError, ValueError, IndexError):
            return None
        return owner if _alive(owner) else None

    @classmethod
    def of_pid_file(cls, path: Path) -> Owner | None:
        """The owner a pid file of libvirt names, or None when it names none that runs."""
        try:
            return cls.of(int(files.read(path, limit=64)))
        except (libvirtError, ValueError, OSError, psutil.Error):
            return None


_FIELDS = ("pid", "ticks", "boot", "since", "command")


def _start_ticks(pid: int) -> int:
    """Field 22 of proc's stat, proc(5); the name before it may hold blanks and brackets."""
    stat = Path(f"/proc/{pid}/stat").read_text(errors="surrogateescape")
    return int(stat.rpartition(")")[2].split()[19])


def _alive(owner: Owner) -> bool:
    """Is it the same process still, and not a later one with its number?"""
    try:
        return owner.boot == BOOT_ID.read_text().strip() and owner.ticks == _start_ticks(owner.pid)
    except OSError:
        return False
