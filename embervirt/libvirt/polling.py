"""libvirt's default event loop: descriptors and timers by poll(2), a round at a time."""

from __future__ import annotations

import itertools
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from embervirt.log import get_logger

READABLE, WRITABLE, ERROR, HANGUP = 1, 2, 4, 8
ASKED = ((READABLE, select.POLLIN), (WRITABLE, select.POLLOUT))
TOLD = (*ASKED, (ERROR, select.POLLERR | select.POLLNVAL), (HANGUP, select.POLLHUP))
"""virEventHandleType and virStreamEventType, which are the same, and poll(2)'s."""

UNASKED = select.POLLERR | select.POLLNVAL | select.POLLHUP


def asked(events: int) -> int:
    """libvirt's events as bits for poll(2), which tells of UNASKED always."""
    return sum(bit for event, bit in ASKED if events & event)


def told(bits: int) -> int:
    """What poll(2) found, as libvirt's events."""
    return sum(event for event, bit in TOLD if bits & bit)


@dataclass(frozen=True)
class Handle:
    """A descriptor; ``call(watch, descriptor, events, opaque)``."""

    descriptor: int
    events: int
    call: Callable[..., object]
    opaque: Any

    def heard(self, bits: int) -> int:
        """Of what poll(2) found, the events that it wants."""
        return told(bits & (asked(self.events) | UNASKED))


@dataclass(frozen=True)
class Timer:
    """``call(timer, opaque)`` every ``pause`` milliseconds, never when that is negative."""

    pause: int
    call: Callable[..., object]
    opaque: Any
    due: float


class Poll:
    """Any thread may add, update and remove, whose numbers are never given twice; one thread runs it."""

    def __init__(self) -> None:
        self._handles: dict[int, Handle] = {}
        self._timers: dict[int, Timer] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def add_handle(self, descriptor: int, events: int, call: Callable[..., object], opaque: Any) -> int:
        """Answers its number."""
        with self._changing():
            self._handles[number := next(self._numbers)] = Handle(descriptor, events, call, opaque)
        return number

    def update_handle(self, watch: int, events: int) -> None:
        """Wait for these from now on; nothing when there is no such number."""
        with self._changing():
            if watch in self._handles:
                self._handles[watch] = replace(self._handles[watch], events=events)

    def remove_handle(self, watch: int) -> int:
        """0; -1 when there is none."""
        with self._changing():
            return 0 if self._handles.pop(watch, None) else -1

    def add_timeout(self, pause: int, call: Callable[..., object], opaque: Any) -> int:
        """Answers its number."""
        with self._changing():
            self._timers[number := next(self._numbers)] = Timer(pause, call, opaque, _due(pause))
        return number

    def update_timeout(self, timer: int, pause: int) -> None:
        """From now on; nothing when there is no such number."""
        with self._changing():
            if timer in self._timers:
                self._timers[timer] = replace(self._timers[timer], pause=pause, due=_due(pause))

    def remove_timeout(self, timer: int) -> int:
        """0; -1 when there is none."""
        with self._changing():
            return 0 if self._timers.pop(timer, None) else -1

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The thread that waits is to know of it."""
        with self._lock:
            yield
        os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        """Wait until a descriptor or a timer is ready, or anything was changed; call who is concerned."""
        with self._lock:
            handles, timers = dict(self._handles), dict(self._timers)
        found = _wait(self._wake, handles, timers)
        if self._wake in found:
            os.eventfd_read(self._wake)
        for number, timer in timers.items():
            if timer.pause >= 0 and timer.due <= time.monotonic() and number in self._timers:
                self.update_timeout(number, timer.pause)
                _call(timer.call, number, timer.opaque)
        for number, handle in handles.items():
            events = handle.heard(found.get(handle.descriptor, 0))
            if events and number in self._handles:
                _call(handle.call, number, handle.descriptor, events, handle.opaque)


def _due(pause: int) -> float:
    return time.monotonic() + pause / 1000


def _wait(wake: int, handles: dict[int, Handle], timers: dict[int, Timer]) -> dict[int, int]:
    """What poll(2) found, by descriptor."""
    wanted = {wake: select.POLLIN}
    for each in handles.values():
        wanted[each.descriptor] = wanted.get(each.descriptor, 0) | asked(each.events)
    poll = select.poll()
    for descriptor, bits in wanted.items():
        poll.register(descriptor, bits)
    due = min((timer.due for timer in timers.values() if timer.pause >= 0), default=None)
    return dict(poll.poll(None if due is None else max(0.0, due - time.monotonic()) * 1000))


def _call(call: Callable[..., object], *arguments: Any) -> None:
    try:
        call(*arguments)
    except Exception:  # noqa: BLE001 - the host program's own bug; libvirt prints it and goes on too
        get_logger().exception("a callback of the event loop raised")
