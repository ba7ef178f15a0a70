"""What proc(5) says of a process, by pid: who asks must know that the number is still the same process's.

Without pathlib, which interns each part of a path (up to Python 3.12): numbers that come and go fill the
interpreter's table of interned strings, which it then makes anew, 2 MB on the heap of whatever thread it
happens on. Some thousand guests later all threads' heaps are the larger for it.
"""

from __future__ import annotations

import os
from pathlib import Path

STATE, PARENT, USER_TIME, SYSTEM_TIME, START_TIME, PROCESSOR = 3, 4, 14, 15, 22, 39
"""Numbers of fields of ``stat``, counted from 1 as proc(5) does."""

TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
"""Nanoseconds in which ``stat`` counts the CPU time."""


def boot() -> str:
    """The kernel's random id of this boot (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def pids() -> list[int]:
    """Of all processes, the lowest first."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208


def executable(pid: int) -> tuple[int, int] | None:
    """Device and inode of what it executes; None when it is gone. Raises PermissionError."""
    try:
        found = os.stat(f"/proc/{pid}/exe")  # noqa: PTH116
    except (FileNotFoundError, ProcessLookupError):
        return None
    return found.st_dev, found.st_ino


def read(pid: int, name: str) -> bytes:
    """A file of ``/proc/PID``; empty when the process, or the thread, is gone."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def stat(pid: int, thread: int | None = None) -> dict[int, bytes]:
    """Of a process, or of one of its threads: the fields behind its name by number; none when it is gone."""
    said = read(pid, "stat" if thread is None else f"task/{thread}/stat")
    return dict(enumerate(said[said.rindex(b")") + 2 :].split(), STATE)) if said else {}


def cpu_times(pid: int, thread: int | None = None) -> tuple[int, int]:
    """Nanoseconds spent in user and in system mode, those of ended threads too; 0 when it has just ended."""
    fields = stat(pid, thread)
    return int(fields.get(USER_TIME, 0)) * TICK, int(fields.get(SYSTEM_TIME, 0)) * TICK
