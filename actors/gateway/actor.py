"""The actor ``gateway``: takes what comes in by the door, checks it, forwards it, and answers once.

It waits for nobody: a slow actor, or a peer that does not read, delays only its own calls.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import Raw

from embervirt.actors import codec
from embervirt.actors.actor import Actor, Context
from embervirt.actors.bus import EVENTS_ACTOR
from embervirt.actors.fence import Fenced
from embervirt.actors.gateway import protocol
from embervirt.actors.gateway.calls import Calls, lost
from embervirt.actors.gateway.door import Call, Client, Door, Sent
from embervirt.actors.gateway.feed import Feed
from embervirt.actors.messages import Request
from embervirt.config.settings import Gateway as Bounds
from embervirt.errors import InvalidArgument, ResourceBusy, libvirtError

GATEWAY_ACTOR = "gateway"
BATCH = 32
"""Messages taken from each socket before the actor's control lane is looked at."""

READ = 0.1
"""Seconds after which a peer whose queue was full is sent its answer again."""


class Gateway(Actor):
    """``door`` is the root's, ``bounds`` the settings ``gateway``, ``queue`` the setting ``events.queue``."""

    def __init__(self, context: Context, door: Door, bounds: Bounds, queue: int) -> None:
        super().__init__(context)
        self._door, self._bounds, self._queue = door, bounds, queue
        self._held: Counter[Client] = Counter()
        self._unread_due = math.inf

    def setup(self) -> None:
        """Settle what a predecessor that was given up left behind; its subscribers stay."""
        self._give_up()
        self._unread = self._door.unread
        fence, longest = self.context.fence, self._bounds.deadline
        self._calls = Calls(self.bus, fence, self._door.calls, longest, self._done, self._later)
        self.resources.callback(self.bus.release, self._calls.socket)
        self._feed = Feed(self.bus, self._queue, self._door.subscribers, self._send, self._ask_events)
        self.resources.callback(self.bus.release, self._feed.socket)
        self.resources.callback(self._give_up)
        own = [each.fileno() for each in (self._calls.socket, self._feed.socket)]
        for descriptor in [*own, *self._door.descriptors(self.context.fence)]:
            self.inbox.watch(descriptor, self.turn)
        self.post(self.turn)

    def _give_up(self) -> None:
        """End what is under way, before the first turn and after the last; the successor, after a fence."""
        with suppress(Fenced):
            for call in self._door.take_over(self.context.fence):
                error = lost(call, self.bus.routes)
                if call.client is not None:
                    self._send(call.client, call.answer or protocol.refusal(call.id, error))

    # One turn: ZeroMQ's descriptors tell of news once, and a send may swallow that, so all is looked at.

    def turn(self) -> None:
        """Take what is there from all sides; at most so much that control messages are not kept waiting."""
        now = time.monotonic()
        if now >= min(self._calls.due, self._feed.due, self._unread_due):
            self._tick(now)
        if not any(self._quiet() for _ in range(BATCH)):
            self.post(self.turn)
        self.inbox.alarm(min(self._calls.due, self._feed.due, self._unread_due), self.turn)

    def _later(self, task: Callable[[], None]) -> None:
        """From any thread."""

        def run() -> None:
            task()
            self.turn()

        self.post(run)

    def _quiet(self) -> bool:
        """One message of each side; True when nobody had one."""
        doors = [self._take_in(at) for at in range(len(self._door.sockets))]
        judged = self._door.judge(self.context.fence)
        return not any([*doors, judged, self._calls.receive(), self._feed.receive()])

    def _tick(self, now: float) -> None:
        self._calls.tick(now)
        self._feed.tick(now)
        self._unread_due = math.inf
        for call in list(self._unread):
            del self._unread[call]
            self._deliver(call, call.answer)

    # Requests.

    def _take_in(self, at: int) -> bool:
        received = self._door.receive(self.context.fence, at)
        if received is None:
            return False
        client, frames = received
        id_, request = protocol.read(frames, self._bounds.max_message)
        try:
            self._accept(client, id_, request)
        except libvirtError as error:
            self._send(client, protocol.refusal(id_, error))
        self._door.done(self.context.fence)
        return True

    def _accept(
        self, client: Client, id_: Raw, request: protocol.Ask | protocol.Subscribe | libvirtError
    ) -> None:
        if isinstance(request, libvirtError):
            raise request
        if client.routing[:1] != b"\0":  # libzmq gave it one; with its own it could pose as another
            raise InvalidArgument("the socket has a routing id of its own: expected none")
        self._check_room(client)
        if isinstance(request, protocol.Subscribe):
            self._feed.add(client, id_, request.subscribe)
        else:
            self._begin(client, id_, request)

    def _check_room(self, client: Client) -> None:
        """No peer has more under way than is left for all others."""
        subscribers = self._door.subscribers
        own = self._held[client] + sum(each.client == client for each in subscribers)
        total = self._held.total() + len(subscribers)
        if own >= self._bounds.in_flight - total:
            text = f"{own} requests of this peer, {total} of all, are under way already"
            raise ResourceBusy(f"{text} (setting gateway.in_flight)")

    def _begin(self, client: Client, id_: Raw, ask: protocol.Ask) -> None:
        protocol.check_allowed(ask.ask, self._bounds.allow)
        longest, now = self._bounds.deadline, time.monotonic()
        if ask.seconds is not None and not 0 < ask.seconds <= longest:
            raise InvalidArgument(f"seconds {ask.seconds:g}: at most {longest:g} (setting gateway.deadline)")
        deadline = now + (ask.seconds or min(longest, self.bus.seconds))
        self._held[client] += 1
        self._door.done(self.context.fence)
        self._calls.begin(Call(client, id_, ask.to, now, deadline, self.bus.new_trace(), ask))

    def _ask_events(self, request: Request[Any]) -> None:
        """The gateway's own, which nobody counts."""
        now = time.monotonic()
        call = Call(None, protocol.NULL, EVENTS_ACTOR, now, now + self.bus.seconds, self.bus.new_trace())
        call.request, call.body = request, codec.encode(request)
        self._calls.begin(call)

    # Answers.

    def _done(self, call: Call, result: Any) -> None:
        if call.client is None:
            assert call.request is not None
            self._feed.answered(call.request, result)
        else:
            self._deliver(call, protocol.answer(call.id, result))

    def _deliver(self, call: Call, answer: bytes) -> None:
        """An answer that a peer has no room for is kept, and counts as under way, until it reads or goes."""
        assert call.client is not None
        if self._send(call.client, answer) == "full":
            call.answer = answer
            self._unread[call] = None
            self._unread_due = time.monotonic() + READ
        else:
            self._release(call.client)

    def _release(self, client: Client) -> None:
        self._held[client] -= 1
        if self._held[client] <= 0:
            del self._held[client]

    def _send(self, client: Client, frame: bytes) -> Sent:
        return self._door.send(self.context.fence, client, frame)
