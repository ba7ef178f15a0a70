"""How the end of a QEMU process is brought about."""

from __future__ import annotations

import errno
import signal

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.errors import SystemError_
from embervirt.supervisor.identity import Process

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
    raise SystemError_(text, int1=errno.EBUSY, virdomain=VIR_FROM_QEMU)


def kill(process: Process) -> None:
    """Undo of a start: end it, wait for it, let go."""
    process.signal(signal.SIGKILL)
    process.wait(KILLED)
    process.close()
