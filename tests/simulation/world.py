"""Puts a simulated world in the place of the real one, for all that embervirt and its futures wait on."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from concurrent.futures import _base
from contextlib import contextmanager
from typing import Any

from embervirt import world
from simulation import sockets
from simulation.scheduler import Scheduler
from simulation.threads import SimpleQueue, Threading

EPOCH = 1.7e9
"""Unix time at which every run begins, less its monotonic time."""


class World:
    """What ``embervirt.world`` has, of one scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.threading = Threading(scheduler)
        self.descriptors = sockets.Descriptors(scheduler)

    def monotonic(self) -> float:
        """Virtual seconds."""
        self.scheduler.checkpoint()
        return self.scheduler.now

    @property
    def names(self) -> dict[str, Any]:
        """For ``world.substituted``."""
        scheduler, threading, random = self.scheduler, self.threading, self.scheduler.random
        return {
            "monotonic": self.monotonic,
            "wall": lambda: EPOCH + scheduler.now,
            "uniform": random.uniform,
            "token_bytes": random.randbytes,
            "Thread": threading.Thread,
            "current_thread": threading.current_thread,
            "Lock": threading.Lock,
            "RLock": threading.RLock,
            "Condition": threading.Condition,
            "SimpleQueue": lambda: SimpleQueue(scheduler),
            "Context": lambda: sockets.Context(scheduler),
            "Poller": lambda: sockets.Poller(scheduler, self.descriptors),
            "monitored_queue": sockets.monitored_queue,
            "proxy": sockets.proxy,
            "make_wake": lambda: sockets.Wake(self.descriptors),
        }

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Futures wait in this world too: the standard library finds its locks in ``threading``."""
        log, level = logging.getLogger("embervirt"), logging.getLogger("embervirt").level
        base: Any = _base
        real, said = base.threading, base.LOGGER
        log.setLevel(logging.CRITICAL + 1)
        base.threading, base.LOGGER = self.threading, Strict(self.scheduler)
        try:
            with world.substituted(**self.names):
                yield
        finally:
            base.threading, base.LOGGER = real, said
            log.setLevel(level)


class Strict:
    """The log of the standard library's futures, which is all that a callback's failure comes to there."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def exception(self, text: str, *about: object) -> None:
        """Of a callback."""
        error = sys.exc_info()[1]
        self._scheduler.broken("no callback of a future fails", f"{type(error).__name__}: {error}")

    def critical(self, text: str, *about: object) -> None:
        """Of a future that is completed twice."""
        self._scheduler.broken("no future is completed twice", text % about)
