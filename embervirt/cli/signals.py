"""Signals as something to wait for beside other descriptors."""

from __future__ import annotations

import os
import signal
from collections import deque
from typing import Any

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Those by which a user or a service manager asks for an end."""


class Signals:
    """Takes over SIGINT, SIGTERM and SIGHUP while the ``with`` lasts. Main thread only."""

    def __init__(self) -> None:
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._came: deque[int] = deque()
        self._before: dict[int, Any] = {}

    def fileno(self) -> int:
        """Readable while ``take`` has something."""
        return self._wake

    def take(self) -> list[int]:
        """The numbers of those that came, in order."""
        os.eventfd_read(self._wake)
        return [self._came.popleft() for _ in range(len(self._came))]

    def _handle(self, number: int, _: object) -> None:
        self._came.append(number)
        os.eventfd_write(self._wake, 1)

    def __enter__(self) -> Signals:
        for number in ASKING:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._wake)
