"""Finding processes by what their command line says, where no record of them was written or it is lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from embervirt import world
from embervirt.supervisor import identity
from embervirt.supervisor.identity import Identity
from embervirt.supervisor.recorder import Spawned


def carrying(nonce: str) -> list[int]:
    """Pids of all processes with ``nonce`` on their command line: programs and their recorders."""
    wanted = os.fsencode(nonce)
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if wanted in command_line(pid)]


def command_line(pid: int) -> bytes:
    """Empty when the process is gone, or has none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def program(nonce: str) -> tuple[Identity, Spawned] | None:
    """The program that a recorder runs: of those that carry ``nonce``, the one that is no other's parent."""
    pids = carrying(nonce)
    parents = {identity.parent(pid) for pid in pids}
    for pid in pids:
        found = identity.identify(pid, nonce) if pid not in parents and len(pids) > 1 else None
        if found is not None:
            recorder = identity.parent(pid) or 1
            start = (identity.start_time(recorder) or 0) if recorder in pids else 0
            return found, Spawned(pid, found.start_time, recorder, start)
    return None


def kill_all(nonce: str, seconds: float) -> bool:
    """End every process that carries ``nonce``, also those that another one is just starting.

    False when one is still there after ``seconds``.
    """
    deadline = world.monotonic() + seconds
    while pids := carrying(nonce):
        for pid in pids:
            held = identity.hold(pid, identity.start_time(pid) or 0)
            if held is None:
                continue
            try:
                if nonce.encode() in command_line(pid):
                    identity.send_signal(held, signal.SIGKILL)
                    identity.wait_exit(held, deadline - world.monotonic())
            finally:
                os.close(held)
        if world.monotonic() > deadline:
            return False
    return True
