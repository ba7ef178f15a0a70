"""The numbered events on their way out: in order, without gap, to any number of peers, waiting for none.

Live events come off the root's publisher. Whoever is behind them, because it is new, slow, or an event was
dropped, gets what it lacks from the journal, in portions.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Any

import msgspec
import zmq
from msgspec import Raw, Struct

from embervirt.actors.bus import Bus
from embervirt.actors.event_log import EVENT, Journal, Mark, Since
from embervirt.actors.gateway import protocol
from embervirt.actors.gateway.door import Client, Sent, Subscriber
from embervirt.actors.messages import Request
from embervirt.errors import InvalidArgument

PORTION = 500
"""Events asked of the journal at once."""

HEARD = 0.05
"""Seconds after which an event that was published and not heard counts as dropped."""

READ = 0.5
"""Seconds after which a peer that had not read what it was sent is tried again."""

ALIVE = 10.0
"""Seconds between two signs of life; who is gone is noticed by them."""


class _Number(Struct, frozen=True):
    """Of an event all that is looked at here."""

    seq: int


class Feed:
    """``ask`` sends to the events actor, whose answer comes to ``answered``. ``due``: for ``tick``."""

    def __init__(
        self,
        bus: Bus,
        queue: int,
        subscribers: dict[Subscriber, None],
        send: Callable[[Client, bytes], Sent],
        ask: Callable[[Request[Any]], None],
    ) -> None:
        self._bus, self._subscribers, self._send, self._ask = bus, subscribers, send, ask
        self.socket = bus.subscriber(queue)
        self._asked = self._heard = False
        self._alive = 0.0
        self.due = 0.0 if subscribers else math.inf

    def add(self, client: Client, id_: Raw, since: int | None) -> None:
        """All after ``since``, or from now on. Raises InvalidArgument for a number that no event has yet."""
        last = self._bus.published
        if since is not None and not 0 <= since <= last:
            raise InvalidArgument(f"events since {since}: the last event of this root has the number {last}")
        new = Subscriber(client, id_, last if since is None else since)
        self._subscribers[new] = None
        self._tell(new, protocol.Subscribed(id_, new.last))
        self.due = 0.0

    def receive(self) -> bool:
        """Take one event off the publisher; False when there is none."""
        try:
            kind, line = self.socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return False
        self._heard = True
        if kind == EVENT:
            for each in list(self._subscribers):
                self._event(each, _seq(line), line)
            if self._behind():
                self.due = min(self.due, time.monotonic() + HEARD)
        return True

    def _event(self, to: Subscriber, seq: int, line: bytes) -> None:
        """Pass it on if it is the next one; what is missing before it ``tick`` asks for."""
        if seq == to.last + 1 and not to.full and self._tell(to, protocol.Happened(to.id, Raw(line))):
            to.last = seq

    def _tell(self, to: Subscriber, what: Struct) -> bool:
        sent = self._send(to.client, protocol.encode(what))
        to.full = sent == "full"
        if sent == "gone":
            self._subscribers.pop(to, None)
        return sent == "sent"

    def _behind(self) -> list[Subscriber]:
        return [each for each in self._subscribers if each.last < self._bus.published]

    def _catch_up(self) -> None:
        """Ask the journal, one question at a time."""
        lacking = [each.last for each in self._behind() if not each.full]
        if lacking and not self._asked:
            self._asked = True
            self._ask(Since(min(lacking) + 1, PORTION))

    def answered(self, request: Request[Any], result: Any) -> None:
        """The journal's answer; of an error only that there is none: ``tick`` asks again."""
        if not isinstance(request, Since):
            return
        self._asked = False
        if isinstance(result, Journal):
            for line in result.lines:
                self._from_journal(request.seq, _seq(line), line)
            if result.lines:  # there may be more, or have been while nobody listened
                self._catch_up()

    def _from_journal(self, asked: int, seq: int, line: bytes) -> None:
        for each in list(self._subscribers):
            missing = asked <= each.last + 1 < seq and not each.full
            if missing and self._tell(each, protocol.Lost(each.id, (each.last + 1, seq - 1))):
                each.last = seq - 1
            self._event(each, seq, line)

    def tick(self, now: float) -> None:
        """Look after those who hear nothing: a sign of life, and what they lack."""
        alive = now >= self._alive
        self._alive = now + ALIVE if alive else self._alive
        for each in list(self._subscribers):
            if alive or each.full:
                self._tell(each, protocol.Subscribed(each.id, each.last))
        if self._subscribers and not self._heard:
            self._ask(Mark(os.urandom(8)))
        self._catch_up()
        self.due = self._next(now)

    def _next(self, now: float) -> float:
        if not self._subscribers:
            return math.inf
        if not self._heard or any(not each.full for each in self._behind()):
            return now + HEARD
        return now + READ if any(each.full for each in self._subscribers) else self._alive


_number = msgspec.json.Decoder(_Number)


def _seq(line: bytes) -> int:
    return _number.decode(line).seq
