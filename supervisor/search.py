"""Finding processes by what their command line says, where no record of them was written or it is lost."""

from __future__ import annotations

import os
import signal

from embervirt import world
from embervirt.supervisor import identity, proc
from embervirt.supervisor.identity import Identity
from embervirt.supervisor.recorder import SCRIPT, Spawned

RECORDS = SCRIPT.splitlines()[-1].encode()
"""What a recorder's own command line has, beside its program's, and that of no program."""

LOOK = 0.01
"""Seconds between two looks for processes that are being started."""


def carrying(nonce: str) -> list[int]:
    """Pids of all processes with ``nonce`` on their command line: programs and their recorders."""
    wanted = os.fsencode(nonce)
    return [pid for pid in proc.pids() if wanted in identity.command_line(pid)]


def program(nonce: str) -> tuple[Identity, Spawned] | None:
    """The program with ``nonce``, and its recorder if that lives: it may have been killed alone.

    Not one that a recorder has forked and that is not executing yet.
    """
    for pid in carrying(nonce):
        found = None if records(pid) else identity.identify(pid, nonce)
        if found is not None:
            return found, Spawned(pid, found.start_time, *_recorder(pid))
    return None


def records(pid: int) -> bool:
    """Whether it is the recorder of a program."""
    return RECORDS in identity.command_line(pid)


def _recorder(pid: int) -> tuple[int, int]:
    """Pid and start time; of one that has ended, a pid that is somebody else's, whose start time is not 0."""
    parent = identity.parent(pid) or 1
    return (parent, identity.start_time(parent) or 0) if records(parent) else (1, 0)


def kill_all(nonce: str, seconds: float) -> bool:
    """End every process that carries ``nonce``, also those that another one is just starting.

    False when one is still there after ``seconds``.
    """
    deadline = world.monotonic() + seconds
    while pids := carrying(nonce):
        if world.monotonic() > deadline:
            return False
        for pid in pids:
            _kill(pid, nonce, min(deadline, world.monotonic() + LOOK))
    return True


def _kill(pid: int, nonce: str, deadline: float) -> None:
    held = identity.hold(pid, identity.start_time(pid) or 0)
    if held is None:
        return
    try:
        if os.fsencode(nonce) in identity.command_line(pid):
            identity.send_signal(held, signal.SIGKILL)
            identity.wait_exit(held, deadline - world.monotonic())
    finally:
        os.close(held)
