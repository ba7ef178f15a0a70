"""How a guest ends, from the root's events: as something to wait for beside other descriptors, or alone."""

from __future__ import annotations

import os
import time
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType

from embervirt.actors.subscription import Overflow, Subscription
from embervirt.cli.ending import STOPPED, Report
from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.errors import InternalError
from embervirt.runtime.root import Root
from embervirt.supervisor.report import ChildFailed


class Watch:
    """What happens to a root's guests from now on. ``fileno`` is readable while ``take`` has something."""

    def __init__(self, root: Root) -> None:
        self._arrived: SimpleQueue[Report | InternalError] = SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._root = root
        self._subscription = root.subscribe()
        root.on_failed.append(self._failed)
        self._thread = Thread(target=self._read, name="embervirt-watch", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while (received := self._subscription.get()) is not None:
            event = None if isinstance(received, Overflow) else received.event()
            if isinstance(event, Lifecycle | ChildFailed):
                self._put(event)

    def _failed(self, why: str) -> None:
        self._put(InternalError(f"the supervision of root {self._root.paths.path} gave up: {why}"))

    def _put(self, item: Report | InternalError) -> None:
        self._arrived.put(item)
        os.eventfd_write(self._wake, 1)

    def fileno(self) -> int:
        """For a selector."""
        return self._wake

    def take(self) -> list[Report]:
        """What has arrived, in order. Raises InternalError when the root's supervision gave up."""
        os.eventfd_read(self._wake)
        found: list[Report] = []
        while (item := self._next()) is not None:
            if isinstance(item, InternalError):
                raise item
            found.append(item)
        return found

    def _next(self) -> Report | InternalError | None:
        try:
            return self._arrived.get_nowait()
        except Empty:
            return None

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._root.on_failed.remove(self._failed)
        self._subscription.cancel()
        self._thread.join()
        self._subscription.close()
        os.close(self._wake)


def wait_for_end(subscription: Subscription, id_: int, seconds: float) -> bool:
    """Whether the guest with that id ends within ``seconds``."""
    deadline = time.monotonic() + seconds
    while (received := subscription.get(max(0.0, deadline - time.monotonic()))) is not None:
        event = None if isinstance(received, Overflow) else received.event()
        if isinstance(event, Lifecycle) and (event.id, event.event) == (id_, STOPPED):
            return True
    return False
