"""Immutable records that owners publish and any thread reads without a message.

Each key has one writer at a time. A record is published before the reply to the change that caused
it, so a caller reads its own writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from embervirt.actors.fence import Fence

K = TypeVar("K")
V = TypeVar("V")


class Table(Generic[K, V]):
    """Readers take ``rows`` as it is; a write replaces one reference, which no reader sees half-made."""

    def __init__(self) -> None:
        self.rows: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The record now, or None."""
        return self.rows.get(key)

    def values(self) -> list[V]:
        """All records at one moment."""
        return list(self.rows.values())

    def put(self, fence: Fence, key: K, record: V) -> None:
        """Publish one record. Raises Fenced for a generation that was given up."""
        with fence.guard():
            self.rows[key] = record

    def drop(self, fence: Fence, key: K) -> None:
        """Take one record away; no error when it is not there."""
        with fence.guard():
            self.rows.pop(key, None)

    def replace(self, fence: Fence, rows: Mapping[K, V]) -> None:
        """Publish a whole new content at once, as a restarted owner does."""
        with fence.guard():
            self.rows = dict(rows)
