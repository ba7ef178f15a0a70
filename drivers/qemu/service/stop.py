"""The end of a QEMU process: how it is brought about, and what is known of it afterwards."""

from __future__ import annotations

import errno
import signal

from embervirt.drivers.qemu.store import Record
from embervirt.errors import SystemError_
from embervirt.supervisor.identity import Process
from embervirt.supervisor.processes import describe

KILLED = 10.0
"""Seconds the kernel may need to end a process that was sent SIGKILL."""


def terminate(process: Process, graceful: bool, seconds: float) -> None:
    """SIGTERM, on which QEMU flushes its disks and exits; SIGKILL after ``seconds`` unless ``graceful``.

    Raises SystemError_ (EBUSY) when it is still there.
    """
    process.signal(signal.SIGTERM)
    if process.wait(seconds):
        return
    if not graceful:
        process.signal(signal.SIGKILL)
        if process.wait(KILLED):
            return
    name = "SIGTERM" if graceful else "SIGKILL"
    text = f"Failed to terminate process {process.identity.pid} with {name}: Device or resource busy"
    raise SystemError_(text, int1=errno.EBUSY, virdomain=10)


def kill(process: Process) -> None:
    """Undo of a start: end it, wait for it, let go."""
    process.signal(signal.SIGKILL)
    process.wait(KILLED)
    process.close()


def cause(record: Record) -> str:
    """Why QEMU ended, in words, from its recorder."""
    return describe(record.process.status())
