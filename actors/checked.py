"""Sockets that notice a second thread, in Python's development mode (``python -X dev``).

libzmq ends the process when two threads use one socket at a time, without a word about where. These raise
AssertionError before it sees that. They cost about a microsecond a frame, so others are used otherwise.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import zmq

ON = sys.flags.dev_mode
"""Whether sockets are made of this kind."""


class Checked(zmq.Socket[bytes]):
    """For one thread at a time, from a message's first frame to its last; for its ``owner`` alone, if set."""

    owner: int = 0
    user: int = 0

    def own(self) -> None:
        """From now on it is this thread's."""
        self.owner = threading.get_ident()

    @contextmanager
    def _used(self, *, more: bool = False) -> Iterator[None]:
        me = threading.get_ident()
        other = next((each for each in (self.owner, self.user) if each not in (0, me)), 0)
        if other:
            raise AssertionError(f"a socket of thread {other} is used by thread {me}: {self!r}")
        self.user = me
        try:
            yield
        except BaseException:
            more = False
            raise
        finally:
            self.user = me if more else 0

    def send(self, data: Any, flags: int = 0, **options: Any) -> Any:  # type: ignore[override]
        """As usual."""
        with self._used(more=bool(flags & zmq.SNDMORE)):
            return super().send(data, flags, **options)

    def recv(self, flags: int = 0, **options: Any) -> Any:  # type: ignore[override]
        """As usual."""
        with self._used():
            return super().recv(flags, **options)

    def poll(self, timeout: int | None = None, flags: int = zmq.POLLIN) -> Any:
        """As usual."""
        with self._used():
            return super().poll(timeout, flags)
