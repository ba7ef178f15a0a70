"""A thread that waits for a stream's descriptor and calls back, on libvirt's default loop if there is one."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

from embervirt import world
from embervirt.libvirt.eventloop import loop
from embervirt.libvirt.polling import asked, told
from embervirt.log import get_logger


class Watching:
    """``deliver(events)`` again and again while any holds, one at a time, until ``stop``."""

    def __init__(self, descriptor: int, events: int, deliver: Callable[[int], None]) -> None:
        self._descriptor, self._deliver = os.dup(descriptor), deliver
        self._events, self._over = events, False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._thread = world.Thread(target=self._run, name="embervirt-stream", daemon=True)
        self._thread.start()

    def update(self, events: int) -> None:
        """Wait for these from now on."""
        self._events = events
        self._rouse()

    def stop(self) -> None:
        """From any thread, also from the callback."""
        self._over = True
        self._rouse()

    def _rouse(self) -> None:
        with self._lock:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        try:
            while not self._over:
                events = self._wait()
                if events and not self._over:
                    self._hand(events)
        finally:
            with self._lock:
                os.close(self._descriptor)
                os.close(self._wake)
                self._wake = -1

    def _wait(self) -> int:
        poll = select.poll()
        poll.register(self._descriptor, asked(self._events))
        poll.register(self._wake, select.POLLIN)
        found = dict(poll.poll())
        if self._wake in found:
            os.eventfd_read(self._wake)
        return told(found.get(self._descriptor, 0))

    def _hand(self, events: int) -> None:
        """Before it returns the callback has run: else the same events would be told again."""
        if not loop.registered:
            self._call(events)
            return
        done = threading.Event()

        def call() -> None:
            self._call(events)
            done.set()

        loop.put(call)
        while not done.wait(1.0) and not self._over:
            pass

    def _call(self, events: int) -> None:
        if self._over:
            return
        try:
            with world.programs_signals():
                self._deliver(events)
        except Exception:  # noqa: BLE001 - the host program's own bug; libvirt prints it and goes on too
            get_logger().exception("a stream's callback raised")
