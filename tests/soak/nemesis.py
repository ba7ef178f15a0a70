"""Faults from outside the program: signals to QEMU processes and to the program itself."""

from __future__ import annotations

import random
import select
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from soak.eyes import Eyes, Qemu
from soak.history import Fault

COUNTER = "counter"
"""The guest whose QEMU is never hit."""

LONG = 0.2
"""Share of the stops that outlast a monitor's time-out."""


@dataclass(frozen=True)
class Shape:
    """What a soak is made of. Times are mean seconds between two faults, 0 for none of that kind."""

    seconds: float
    seed: str
    threads: int = 8
    domains: int = 12
    pause: float = 0.02
    crash: float = 0.4
    reopen: float = 45.0
    kill: float = 1.5
    stop: float = 1.5
    freeze: float = 20.0
    killed_share: float = 0.4
    """Of the time, for programs that are killed after a few seconds; the rest is one that stays."""

    lives: tuple[float, float] = (4.0, 15.0)
    """Seconds that a program which is to be killed lives, from and to."""


class Nemesis:
    """``tell`` hears of every fault."""

    def __init__(self, shape: Shape, eyes: Eyes, tell: Callable[[Fault], None]) -> None:
        self._shape, self._eyes, self._tell = shape, eyes, tell
        self._random = random.Random(f"{shape.seed} nemesis")
        self._stopped: dict[int, tuple[Qemu, Fault]] = {}
        self._due: dict[str, float] = {}

    def strike(self, program: subprocess.Popen[bytes] | None) -> None:
        """What is due; the program is spared while there is none at work."""
        if self._is_due("kill", self._shape.kill):
            self._kill()
        if self._is_due("stop", self._shape.stop):
            self._stop()
        if program is not None and self._is_due("freeze", self._shape.freeze):
            self._freeze(program)
        self._continue(time.monotonic())

    def rest(self) -> None:
        """Everything that stands still goes on."""
        self._continue(float("inf"))

    def _is_due(self, kind: str, mean: float) -> bool:
        now = time.monotonic()
        if not mean or now < self._due.setdefault(kind, now + self._random.expovariate(1 / mean)):
            return False
        del self._due[kind]
        return True

    def _victim(self) -> Qemu | None:
        among = [qemu for qemu in self._eyes.alive.values() if qemu.name != COUNTER]
        return self._random.choice(among) if among else None

    def _kill(self) -> None:
        qemu, now = self._victim(), time.monotonic()
        if qemu is not None and qemu.signal(signal.SIGKILL):
            self._tell(Fault("kill", qemu.name, now, now, qemu.run))

    def _stop(self) -> None:
        qemu, now = self._victim(), time.monotonic()
        if qemu is None or qemu.pidfd in self._stopped:
            return
        outlasts = self._random.random() < LONG
        until = now + (self._random.uniform(2.5, 5.0) if outlasts else self._random.uniform(0.05, 1.5))
        if qemu.signal(signal.SIGSTOP):
            self._stopped[qemu.pidfd] = qemu, Fault("stop", qemu.name, now, until, qemu.run)
            self._tell(self._stopped[qemu.pidfd][1])

    def _continue(self, now: float) -> None:
        for pidfd, (qemu, fault) in list(self._stopped.items()):
            gone = (qemu.pid, qemu.start) not in self._eyes.alive
            if gone or fault.until <= now:
                del self._stopped[pidfd]
            if not gone and fault.until <= now:
                qemu.signal(signal.SIGCONT)

    def _freeze(self, program: subprocess.Popen[bytes]) -> None:
        """The whole program stands still for a moment, and QEMUs do not."""
        begun = time.monotonic()
        program.send_signal(signal.SIGSTOP)
        select.select([], [], [], self._random.uniform(0.1, 1.5))
        program.send_signal(signal.SIGCONT)
        self._tell(Fault("freeze", "", begun, time.monotonic()))
