"""Event callbacks: a thread of the root's own turns its events into libvirt's callbacks, in order.

With an event loop registered (see ``eventloop``), callbacks run on the thread that runs it instead.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from embervirt import world
from embervirt.actors.messages import Event, Numbered
from embervirt.actors.subscription import Overflow, Subscription
from embervirt.libvirt.eventloop import loop
from embervirt.log import get_logger
from embervirt.runtime.root import Root

Deliver = Callable[[Event], None]
PATIENCE = 2.0
"""Seconds."""


@dataclass(frozen=True)
class Registration:
    """One registered callback: ``deliver`` knows what it wants and what it gets."""

    wants: type[Event]
    deliver: Deliver


class Dispatcher:
    """One for each root that has callbacks. Ids are never given twice."""

    def __init__(self, root: Root) -> None:
        self._log = get_logger(root=str(root.paths.path))
        self._lock = threading.Lock()
        self._registered: dict[int, Registration] = {}
        self._next = 0
        self._subscription: Subscription = root.subscribe()
        self._thread = world.Thread(target=self._run, name="embervirt-callbacks", daemon=True)
        self._thread.start()

    def add(self, registration: Registration) -> int:
        """Every event from now on; answers the id for ``remove``."""
        with self._lock:
            self._next += 1
            self._registered[self._next] = registration
            return self._next

    def remove(self, id_: int) -> bool:
        """False when there is no such id. A callback that runs just now is not waited for."""
        with self._lock:
            return self._registered.pop(id_, None) is not None

    def _run(self) -> None:
        while (received := self._subscription.get()) is not None:
            if isinstance(received, Overflow):
                self._log.error("events lost", first=received.first, last=received.last)
            else:
                self._dispatch(received)
        self._subscription.close()

    def _dispatch(self, numbered: Numbered) -> None:
        event = numbered.event()
        with self._lock:
            wanted = [each for each in self._registered.values() if isinstance(event, each.wants)]
        for each in wanted:
            assert event is not None
            if loop.registered:
                loop.put(partial(self._call, each, event))
            else:
                self._call(each, event)

    def _call(self, registration: Registration, event: Event) -> None:
        try:
            with world.programs_signals():
                registration.deliver(event)
        except Exception:  # noqa: BLE001 - the host program's own bug; libvirt prints it and goes on too
            self._log.exception("an event callback raised")

    def close(self) -> None:
        """Before the root's bus goes. A callback that runs is not waited for longer than ``PATIENCE``: it may
        itself wait for this end.
        """
        self._subscription.cancel()
        if threading.current_thread() is not self._thread:
            self._thread.join(PATIENCE)


_dispatchers: dict[int, Dispatcher] = {}
_lock = threading.Lock()


def dispatcher(root: Root) -> Dispatcher:
    """The root's own, made on first use and closed with the root."""
    with _lock:
        if id(root) not in _dispatchers:
            made = _dispatchers[id(root)] = Dispatcher(root)
            root.before_close.append(made.close)
            root.before_close.append(partial(_dispatchers.pop, id(root)))
        return _dispatchers[id(root)]


def forget(root: Root, id_: int) -> bool:
    """Remove a callback; False when there is none with that id."""
    with _lock:
        found = _dispatchers.get(id(root))
    return found is not None and found.remove(id_)


def _forget_after_fork() -> None:
    """A forked child has none of the parent's threads."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    _dispatchers.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
