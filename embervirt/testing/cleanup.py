"""Leaving nothing: ends processes, exactly those, and sees their recorders end."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from embervirt.runtime import open_roots
from embervirt.supervisor.identity import has_exited, hold, parent, start_time
from embervirt.supervisor.recorder import STARTER, Spawned, reap

SECONDS = 10.0
"""A killed process ends within milliseconds, its recorder right after it."""


def close(root: Path) -> None:
    """Close a root that this process still has open: a connection to it was forgotten."""
    for each in open_roots():
        if each.paths.path == root:
            each.close()


def of_root(root: Path) -> dict[int, int]:
    """Pids and start times of every QEMU of that root, real or fake, and of its recorders."""
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    mine = [pid for pid in numbers if pid != os.getpid() and os.fsencode(root / "lib/qemu") in _words(pid)]
    return {pid: start for pid in mine if (start := start_time(pid)) is not None}


def end(found: Mapping[int, int]) -> None:
    """Kill these processes, by pid and start time, but for recorders, which then end by themselves.

    Raises TimeoutError for one that does not end.
    """
    recorders = {pid for pid in {*found, *map(parent, found)} if pid is not None and _is_recorder(pid)}
    for pid in found.keys() - recorders:
        _kill(pid, found[pid])
    starts = {pid: start for pid in recorders if (start := start_time(pid)) is not None}
    for pid, start in {**found, **starts}.items():
        if not reap(Spawned(pid, start, pid, start), SECONDS):
            raise TimeoutError(f"process {pid} did not end within {SECONDS:g} s of SIGKILL")


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _is_recorder(pid: int) -> bool:
    return _words(pid).startswith(b"\0".join(map(os.fsencode, STARTER[2:])))


def _kill(pid: int, start: int) -> None:
    pidfd = hold(pid, start)
    if pidfd is None:
        return
    try:
        if not has_exited(pidfd):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(pidfd)
