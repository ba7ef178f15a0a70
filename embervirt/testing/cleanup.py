"""Leaving nothing: ends processes, exactly those, and sees their recorders end."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from embervirt.runtime import open_roots
from embervirt.supervisor import search
from embervirt.supervisor.identity import has_exited, hold, parent, start_time
from embervirt.supervisor.recorder import Spawned, reap

SECONDS = 10.0
"""A killed process ends within milliseconds, its recorder right after it."""


def close(root: Path) -> None:
    """Close a root that this process still has open: a connection to it was forgotten."""
    for each in open_roots():
        if each.paths.path == root:
            each.close()


def of_root(root: Path) -> dict[int, int]:
    """Pids and start times of every QEMU of that root, real or fake, and of its recorders."""
    mine = [pid for pid in search.carrying(str(root / "lib/qemu")) if pid != os.getpid()]
    return {pid: start for pid in mine if (start := start_time(pid)) is not None}


def end(found: Mapping[int, int]) -> None:
    """Kill these processes, by pid and start time, but for recorders, which then end by themselves.

    Raises TimeoutError for one that does not end.
    """
    recorders = {pid for pid in {*found, *map(parent, found)} if pid is not None and search.records(pid)}
    for pid in found.keys() - recorders:
        _kill(pid, found[pid])
    starts = {pid: start for pid in recorders if (start := start_time(pid)) is not None}
    for pid, start in {**found, **starts}.items():
        if not reap(Spawned(pid, start, pid, start), SECONDS):
            raise TimeoutError(f"process {pid} did not end within {SECONDS:g} s of SIGKILL")


def _kill(pid: int, start: int) -> None:
    pidfd = hold(pid, start)
    if pidfd is None:
        return
    try:
        if not has_exited(pidfd):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(pidfd)
