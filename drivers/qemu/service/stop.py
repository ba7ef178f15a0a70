"""The ladder by which a QEMU process is brought to its end: each rung has its time, the next is rougher."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from dataclasses import dataclass

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.errors import SystemError_
from embervirt.supervisor.identity import Process

KILLED = 10.0
"""Seconds the kernel may need to end a process that was sent SIGKILL."""

QUIT = 2.0
"""Seconds for QEMU to leave when it is told so on its monitor."""

COMMANDS = {"ACPI": "system_powerdown", "quit": "quit"}
SIGNALS = {"SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}


@dataclass(frozen=True)
class Rung:
    """``name`` is in COMMANDS or SIGNALS; ``seconds`` are given to it."""

    name: str
    seconds: float

    @property
    def final(self) -> bool:
        """Whether the guest has no say in it."""
        return self.name != "ACPI"

    def fits(self, process: Process, *, hears: bool, runs: bool) -> bool:
        """A stopped process answers nothing but SIGKILL: SIGTERM stays pending (probe P14).

        ``hears``: QEMU can be told something; ``runs``: the guest can obey its power button.
        """
        if self.name in COMMANDS and not (hears and (runs or self.final)):
            return False
        return self.name == "SIGKILL" or not process.stopped

    def press(self, process: Process, tell: Callable[[str], None]) -> None:
        """Without waiting. ``tell`` sends a command to QEMU if it can."""
        if self.name in COMMANDS:
            tell(COMMANDS[self.name])
        else:
            process.signal(SIGNALS[self.name])


def rungs(graceful: bool, seconds: float) -> tuple[Rung, ...]:
    """SIGTERM, on which QEMU flushes its disks and exits; SIGKILL after that unless ``graceful``."""
    asked = Rung("SIGTERM", seconds)
    return (asked,) if graceful else (asked, Rung("SIGKILL", KILLED))


def whole(patience: float, seconds: float) -> tuple[Rung, ...]:
    """From the power button, with ``patience`` for the guest, to SIGKILL."""
    return (Rung("ACPI", patience), Rung("quit", QUIT), *rungs(False, seconds))


def stays(process: Process, pressed: tuple[Rung, ...]) -> SystemError_:
    """It is still there (EBUSY), in libvirt's words."""
    what = f"Failed to terminate process {process.identity.pid} with {pressed[-1].name}"
    return SystemError_(f"{what}: Device or resource busy", int1=errno.EBUSY, virdomain=VIR_FROM_QEMU)


def kill(process: Process) -> None:
    """Undo of a start: end it, wait for it, let go."""
    process.signal(signal.SIGKILL)
    process.wait(KILLED)
    process.close()
