"""Long work on a thread of its own, in the hand of who does it: how far it is, and whether to go on."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from embervirt import world
from embervirt.actors.fence import Fence
from embervirt.drivers.storage.tables import JobRow
from embervirt.errors import OperationAborted

EVERY = 0.5
"""Seconds between two events that say how far one job is."""

Tell = Callable[[JobRow, bool], None]
"""Publishes how far it is; with True also as an event."""


class Job:
    """``wanted`` is asked at each step: it raises OperationAborted once the operation was cancelled."""

    def __init__(self, row: JobRow, wanted: Callable[[], None], tell: Tell) -> None:
        self.row, self._wanted, self._tell = row, wanted, tell
        self._lock = threading.Lock()
        self._wake = world.make_wake()
        self._over = False
        self._why = ""
        self._told = world.monotonic()

    def step(self, done: int, total: int | None = None) -> None:
        """So many bytes are done. Raises OperationAborted."""
        self.check()
        whole = self.row.total if total is None else total
        row = self.row = JobRow(self.row.id, self.row.what, self.row.pool, self.row.volume, done, whole)
        loud = world.monotonic() - self._told >= EVERY
        if loud:
            self._told = world.monotonic()
        self._tell(row, loud)

    def check(self) -> None:
        """Raises OperationAborted when it is to end."""
        if self._why:
            raise OperationAborted(self._why)
        self._wanted()

    def cancel(self, why: str) -> None:
        """From any thread: end at the next step; who waits for a descriptor is woken."""
        with self._lock:
            self._why = self._why or why
            if not self._over:
                self._wake.ring()

    def wait(self, descriptor: int, events: int, seconds: float = 0.2) -> bool:
        """Until the descriptor is ready, or for ``seconds``: whether it is. Raises OperationAborted."""
        poll = select.poll()
        poll.register(descriptor, events)
        poll.register(self._wake.fileno(), select.POLLIN)
        ready = poll.poll(seconds * 1000)
        self.check()
        return any(number == descriptor for number, _ in ready)

    @contextmanager
    def steady(self) -> Iterator[Job]:
        """The same for a step that must come to its end, whoever cancels the whole."""
        job = Job(self.row, lambda: None, lambda row, loud: None)
        try:
            yield job
        finally:
            job.close()

    def close(self) -> None:
        """Once, at its end."""
        with self._lock:
            self._over = True
            self._wake.close()


@dataclass(frozen=True)
class UnderWay:
    """A job, its thread, which generation of the driver began it, and its end."""

    job: Job
    thread: Any
    fence: Fence
    ended: Future[None] = field(default_factory=Future)
