"""The generation of an actor as a capability: once fenced, everything done in its name is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from embervirt import world
from embervirt.errors import InternalError


class Fenced(InternalError):
    """A generation that was given up tried to write; its successor owns the state."""


class Fence:
    """One for each generation of an actor. ``guard`` holds the lock that ``close`` takes."""

    def __init__(self, name: str, generation: int) -> None:
        self.name, self.generation = name, generation
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
        if self._closed:
            raise Fenced(f"generation {self.generation} of {self.name} was given up")

    def close(self) -> None:
        """From now on ``guard`` refuses."""
        with self._lock:
            self._closed = True
