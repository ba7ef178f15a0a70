"""The receiving end of a root's events: in order, without gap, or with an explicit overflow."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from types import TracebackType
from typing import TypeVar

import msgspec
import zmq

from embervirt import world
from embervirt.actors.bus import EVENTS_ACTOR, Bus
from embervirt.actors.event_log import EVENT, Mark, Since
from embervirt.actors.messages import Numbered, Request
from embervirt.errors import InvalidArgument, InvalidConnection, NotStarted, OperationTimeout, OutcomeUnknown

R = TypeVar("R")
AGAIN = 0.5
"""Seconds after which a mark that did not come through, though others did, counts as dropped."""

HEARD = 50
"""Milliseconds after which an event or a mark that was sent and not heard counts as dropped."""


class Overflow(msgspec.Struct, frozen=True):
    """Events ``first`` to ``last`` were lost: this subscriber was slower than the journal is long."""

    first: int
    last: int


class Subscription:
    """Every event after ``seq``, which is the last number at the time of subscribing, or ``since``.

    Used by one thread; ``cancel`` by any. ``queue`` events wait in memory before it must ask the journal.
    Raises InvalidArgument when ``since`` is a number that no event has yet.
    """

    def __init__(self, bus: Bus, *, since: int | None = None, queue: int = 1000) -> None:
        self._bus = bus
        self._lock = world.Lock()
        self._cancelled = world.make_wake()
        self._closed = False
        self._ready: deque[Numbered | Overflow] = deque()
        self._poller = world.Poller()
        self._poller.register(self._cancelled.fileno(), zmq.POLLIN)
        with ExitStack() as undo:
            undo.callback(self._cancelled.close)
            self._socket = bus.subscriber(queue)
            undo.callback(self._socket.close, 0)
            self._poller.register(self._socket, zmq.POLLIN)
            self.seq = self._first(since)
            undo.pop_all()

    def _first(self, since: int | None) -> int:
        last = self._synchronise()
        if since is None:
            return last
        if since > last:
            raise InvalidArgument(f"events since {since}: the last event of this root has the number {last}")
        self.seq = since
        self._catch_up()
        return self.seq

    def _ask(self, request: Request[R]) -> R:
        """Of the events actor; these requests change nothing, so its death only means to ask again."""
        deadline = world.monotonic() + self._bus.seconds
        while True:
            try:
                return self._bus.call(EVENTS_ACTOR, request, deadline=deadline)
            except (NotStarted, OutcomeUnknown):
                if world.monotonic() >= deadline:
                    raise

    def _synchronise(self) -> int:
        """Wait for a mark of our own to come through: from then on everything is heard.

        One may be dropped: sent before this subscription was known, or into a full queue. In a storm of
        events no silence tells so, therefore another is sent from time to time.
        """
        deadline = world.monotonic() + self._bus.seconds
        sent: dict[bytes, int] = {}
        while world.monotonic() < deadline:
            nonce = world.token_bytes(8)
            sent[nonce] = self._ask(Mark(nonce))
            seq = self._marked(sent, world.monotonic() + AGAIN)
            if seq is not None:
                return seq
        raise OperationTimeout("the events of this root did not reach a new subscriber")

    def _marked(self, sent: dict[bytes, int], until: float) -> int | None:
        """The number that goes with the first of these marks to come through, None when none does by then."""
        while world.monotonic() < until and self._socket.poll(HEARD):
            seq = sent.get(self._socket.recv_multipart()[1])
            if seq is not None:
                return seq
        return None

    def _catch_up(self) -> None:
        self._synchronise()
        journal = self._ask(Since(self.seq + 1))
        for line in journal.lines:
            self._take(msgspec.json.decode(line, type=Numbered))

    def _take(self, numbered: Numbered) -> None:
        if numbered.seq > self.seq + 1:
            self._ready.append(Overflow(self.seq + 1, numbered.seq - 1))
        if numbered.seq > self.seq:
            self._ready.append(numbered)
            self.seq = numbered.seq

    def get(self, timeout: float | None = None) -> Numbered | Overflow | None:
        """The next one; None after ``timeout`` seconds, when cancelled, or when the root was closed."""
        try:
            return self._next(None if timeout is None else world.monotonic() + timeout)
        except (zmq.ContextTerminated, InvalidConnection):
            return None

    def _next(self, deadline: float | None) -> Numbered | Overflow | None:
        while not self._ready:
            left = None if deadline is None else int(max(0.0, deadline - world.monotonic()) * 1000)
            behind = self._bus.published > self.seq
            ready = dict(self._poller.poll(HEARD if behind and (left is None or left > HEARD) else left))
            if self._cancelled.fileno() in ready:
                return None
            if ready:
                self._receive()
            elif behind:
                self._catch_up()
            else:
                return None
        return self._ready.popleft()

    def _receive(self) -> None:
        kind, body = self._socket.recv_multipart()
        if kind != EVENT:
            return
        numbered = msgspec.json.decode(body, type=Numbered)
        if numbered.seq > self.seq + 1:
            self._catch_up()
        self._take(numbered)

    def cancel(self) -> None:
        """Wake ``get``, which answers None from now on."""
        with self._lock:
            if not self._closed:
                self._cancelled.ring()

    def close(self) -> None:
        """Release the socket; after the last ``get``. More than once is fine."""
        with self._lock:
            if not self._closed:
                self._cancelled.close()
            self._closed = True
        self._bus.release(self._socket)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
