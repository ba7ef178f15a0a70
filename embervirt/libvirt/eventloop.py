"""libvirt's default event loop, for programs that drive one. Nothing here needs it."""

from __future__ import annotations

import queue
from collections.abc import Callable


class Loop:
    """Callbacks wait here for ``virEventRunDefaultImpl`` once a program has registered the loop."""

    def __init__(self) -> None:
        self.registered = False
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def put(self, callback: Callable[[], None]) -> None:
        """To be run by the program's loop."""
        self._waiting.put(callback)

    def run_one(self) -> None:
        """Wait for one callback and run it."""
        self._waiting.get()()


loop = Loop()


def virEventRegisterDefaultImpl() -> int:
    """From now on callbacks run only inside ``virEventRunDefaultImpl``."""
    loop.registered = True
    return 0


def virEventRunDefaultImpl() -> int:
    """Wait for the next event callback, run it, return 0."""
    loop.run_one()
    return 0
