"""Who is there, and which calls are in flight to whom: the one table that callers and actors share.

A name ("secret", "guest/UUID") is stable; an address carries the generation ("qemu#3"), so a message
meant for a dead generation reaches nobody. A call is admitted only while its actor is up, and is
settled exactly once: by its reply, by its deadline, or here, when the generation that held it ends.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from embervirt import world
from embervirt.actors.messages import Failure
from embervirt.errors import (
    ActorUnavailable,
    MailboxFull,
    NotStarted,
    OperationTimeout,
    OutcomeUnknown,
    libvirtError,
)


@dataclass(slots=True)
class Pending:
    """A call in flight; ``begun`` once the actor took it in hand."""

    id: int
    name: str
    address: bytes
    generation: int
    caller: bytes
    begun: bool = False


@dataclass(slots=True)
class Route:
    """To an address while ``up``, to ``refusal`` when nobody may call; else callers wait."""

    generation: int = 0
    up: bool = False
    refusal: libvirtError | None = None
    pending: dict[int, Pending] = field(default_factory=dict)


Notify = Callable[[Pending, Failure], None]


class Routes:
    """``mailbox`` is how many calls may wait for one actor; ``unheard`` counts replies that came too late."""

    def __init__(self, mailbox: int) -> None:
        self._mailbox = mailbox
        # A condition's ``with`` is Python, and what interrupts it, Ctrl-C say, may leave it locked for ever.
        self._lock = world.RLock()
        self._changed = world.Condition(self._lock)
        self._routes: dict[str, Route] = {}
        self._calls: dict[int, Pending] = {}
        self._ids = itertools.count(1)
        self.closed: libvirtError | None = None
        self.failed: libvirtError | None = None
        self.unheard = 0
        self.notify: Notify = lambda pending, failure: None
        self.missing: Callable[[str], None] = _nobody

    @contextmanager
    def _change(self, name: str) -> Iterator[Route]:
        with self._lock:
            yield self._routes.setdefault(name, Route())
            self._changed.notify_all()

    def expect(self, name: str) -> None:
        """The actor is about to start: from now on callers wait for it."""
        with self._change(name) as route:
            route.refusal = None

    def up(self, name: str, generation: int) -> None:
        """Generation ``generation`` is ready."""
        with self._change(name) as route:
            route.up, route.generation, route.refusal = True, generation, None

    def down(self, name: str, generation: int, why: str, notify: Notify | None = None) -> None:
        """It ended: what it held is settled, further callers wait for a successor.

        ``notify`` is the way its replies went, so that no notice overtakes one; None: another thread says so.
        """
        with self._lock:
            route = self._routes.get(name)
            if route is None or route.generation != generation:
                return
            route.up = False
            lost = self._take(route)
            self._changed.notify_all()
        for pending in lost:
            (notify or self.notify)(pending, _lost(pending, why))

    def _take(self, route: Route) -> list[Pending]:
        lost = list(route.pending.values())
        route.pending.clear()
        for pending in lost:
            self._calls.pop(pending.id, None)
        return lost

    def refuse(self, name: str, error: libvirtError) -> None:
        """Nobody will come (quarantine, stopped for good): callers fail at once with ``error``."""
        with self._change(name) as route:
            route.refusal = error

    def forget(self, name: str) -> None:
        """The name is gone."""
        with self._lock:
            self._routes.pop(name, None)
            self._changed.notify_all()

    def close(self, error: libvirtError) -> None:
        """From now on every call fails with ``error``; those in flight are settled."""
        with self._lock:
            self.closed = error
            lost = [pending for route in self._routes.values() for pending in self._take(route)]
            self._changed.notify_all()
        for pending in lost:
            self.notify(pending, _lost(pending, "the root was closed"))

    def fail(self, error: libvirtError) -> None:
        """From now on every call fails with ``error``, while what needs none goes on to work."""
        with self._lock:
            self.failed = error
            self._changed.notify_all()

    def check_open(self) -> None:
        """Raises what ``close`` was given, once it was."""
        if self.closed is not None:
            raise type(self.closed)(self.closed.detail)

    def admit(self, name: str, caller: bytes, deadline: float) -> Pending:
        """Register a call; waits while the actor is between two generations, until ``deadline``."""
        if name not in self._routes and self.closed is None:
            self.missing(name)
        with self._lock:
            route = self._wait_up(name, deadline)
            if len(route.pending) >= self._mailbox:
                text = f"{self._mailbox} calls wait for {name} already (setting calls.mailbox)"
                raise MailboxFull(text)
            address = f"{name}#{route.generation}".encode()
            pending = Pending(next(self._ids), name, address, route.generation, caller)
            route.pending[pending.id] = pending
            self._calls[pending.id] = pending
            return pending

    def _wait_up(self, name: str, deadline: float) -> Route:
        while True:
            self.check_open()
            if self.failed is not None:
                raise type(self.failed)(self.failed.detail)
            route = self._routes.get(name)
            if route is None:
                raise ActorUnavailable(f"{name} ended")
            if route.refusal is not None:
                raise type(route.refusal)(route.refusal.detail)
            if route.up:
                return route
            if not self._changed.wait(deadline - world.monotonic()):
                raise OperationTimeout(f"{name} did not come back by the deadline; nothing was started")

    def begin(self, id_: int) -> bool:
        """The actor takes the call in hand; False when nobody waits for it any more, or it did so before."""
        with self._lock:
            pending = self._calls.get(id_)
            if pending is None or pending.begun:
                return False
            pending.begun = True
            return True

    def heard(self, id_: int) -> bool:
        """Whether somebody still waits for the reply to this call; a late one is counted."""
        waits = id_ in self._calls
        if id_ and not waits:
            with self._lock:
                self.unheard += 1
        return waits

    def settle(self, pending: Pending) -> None:
        """The caller has its answer, or has stopped waiting: then ``pending.begun`` is final."""
        with self._lock:
            self._calls.pop(pending.id, None)
            route = self._routes.get(pending.name)
            if route is not None:
                route.pending.pop(pending.id, None)

    def address(self, name: str) -> bytes | None:
        """Where a message without reply may go now, or None."""
        route = self._routes.get(name)
        return f"{name}#{route.generation}".encode() if route is not None and route.up else None

    def known(self, name: str) -> bool:
        """Is somebody of that name here? Else ``admit`` asks ``missing`` first, which may take long."""
        return name in self._routes or self.closed is not None

    def in_flight(self, name: str) -> int:
        """Calls that wait for ``name`` or are handled by it."""
        route = self._routes.get(name)
        return 0 if route is None else len(route.pending)


def _nobody(name: str) -> None:
    raise ActorUnavailable(f"no actor named {name} runs under this root")


def _lost(pending: Pending, why: str) -> Failure:
    if pending.begun:
        text = f"{pending.name} ended while it handled the call: {why}; it may have happened"
        return Failure(OutcomeUnknown.__name__, text, None, -1, 0)
    text = f"{pending.name} ended before it began the call: {why}"
    return Failure(NotStarted.__name__, text, None, -1, 0)
