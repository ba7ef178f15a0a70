"""The generation of an actor as a capability: once fenced, everything done in its name is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from embervirt import world
from embervirt.errors import InternalError

PATIENCE = 0.1
"""Seconds that ``close`` waits for a commit in hand: in memory they take microseconds."""


class Fenced(InternalError):
    """A generation that was given up tried to write; its successor owns the state."""


class Fence:
    """One for each generation of an actor. ``refused`` counts what came after ``close``.

    ``before`` is that of the generation before.
    """

    def __init__(self, name: str, generation: int, before: Fence | None = None) -> None:
        self.name, self.generation = name, generation
        self._before = before
        self.refused = 0
        self._lock = world.Lock()
        self._closed = False

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around a short commit step (a rename, a table write). Raises Fenced."""
        with self._lock:
            self.check()
            yield

    def check(self) -> None:
        """Before a step that reaches nobody but through others' checks, a call say. Raises Fenced."""
        if self.refuses():
            raise Fenced(f"generation {self.generation} of {self.name} was given up")

    def refuses(self) -> bool:
        """As ``check``, for what is dropped without a word."""
        self.refused += self._closed
        return self._closed

    def close(self) -> None:
        """From now on ``guard`` refuses. A commit that hangs (a stalled disk) is not waited for."""
        self._closed = True
        self._free(PATIENCE)

    def settled(self, seconds: float) -> bool:
        """Whether no commit is in hand, at last after ``seconds``: a successor may not begin before.

        Neither of this generation nor of any before: that this one has gone does not end theirs.
        """
        deadline = world.monotonic() + seconds
        if self._before is not None and not self._before.settled(seconds):
            return False
        self._before = None
        return self._free(max(0.0, deadline - world.monotonic()))

    def _free(self, seconds: float) -> bool:
        if not self._lock.acquire(timeout=seconds):
            return False
        self._lock.release()
        return True
