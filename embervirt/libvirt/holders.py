"""Who of this process's streams holds which console or channel: one at a time."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any


class Holders:
    """By the path on the host. A stream that nobody has any more holds nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, weakref.ref[Any]] = {}

    def take(self, path: str, holder: Any, *, force: bool) -> bool:
        """False when another has it; with ``force`` that one is aborted."""
        with self._lock:
            known = self._held.get(path)
            before = None if known is None else known()
            if before is not None and not force:
                return False
            self._held[path] = weakref.ref(holder)
        if before is not None:
            before.abort()
        return True

    def release(self, path: str, holder: Any) -> None:
        """It has let go, or lost it to another, whose it stays."""
        with self._lock:
            known = self._held.get(path)
            if known is not None and known() in (holder, None):
                del self._held[path]

    def forget(self) -> None:
        """In a forked child, which has the parent's descriptors and none of its streams' threads."""
        self._lock = threading.Lock()
        self._held.clear()


HOLDERS = Holders()
os.register_at_fork(after_in_child=HOLDERS.forget)
