"""What an actor does at this moment, as its supervisor sees it; written by the actor's own thread only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from embervirt import world
from embervirt.log import get_logger


class Activity(NamedTuple):
    """The operation in hand: since when, and until when its caller waits (monotonic seconds).

    ``step``: since when it has held the actor's thread without a break; ``limit``: seconds that it declared
    for that, None for the supervisor's own; ``progress``: when it last said that it goes on; ``paused``: its
    clock stands still; ``asks``: the actor whose answer it waits for.
    """

    operation: str = ""
    started: float = 0.0
    deadline: float = 0.0
    trace: int = 0
    limit: float | None = None
    step: float = 0.0
    progress: float = 0.0
    paused: bool = False
    asks: str = ""

    def due(self, limit: float, cap: float, factor: float = 1.0) -> float:
        """When it is overdue. ``limit``: of one that declared none; ``cap``: so many times that at most."""
        allowed = (limit if self.limit is None else self.limit) * factor
        return min(max(self.step, self.progress) + allowed, self.step + cap * allowed)

    def resumed(self) -> Activity:
        """The same operation, that takes the thread again after it had given it up."""
        return self._replace(step=world.monotonic())


IDLE = Activity()


def doing(operation: str, deadline: float = 0.0, trace: int = 0, limit: float | None = None) -> Activity:
    """It begins now."""
    now = world.monotonic()
    return Activity(operation, now, deadline, trace, limit, now)


class Cancellers:
    """How to wake an operation out of what it blocks in; ``call`` from any thread."""

    def __init__(self) -> None:
        self._lock = world.Lock()
        self._calls: list[Callable[[], object]] = []

    @contextmanager
    def added(self, cancel: Callable[[], object]) -> Iterator[None]:
        """``cancel`` must not block, and is never called after the end of the ``with``."""
        with self._lock:
            self._calls.append(cancel)
        try:
            yield
        finally:
            with self._lock:
                self._calls.remove(cancel)

    def call(self) -> int:
        """All of them; answers how many there are. What one raises is logged, and the others are called."""
        with self._lock:
            for cancel in self._calls:
                try:
                    cancel()
                except Exception as error:  # noqa: BLE001 - it is the actor's code on its supervisor's thread
                    get_logger().warning("a canceller failed", error=str(error))
            return len(self._calls)
