"""What was forwarded and is not answered yet: sends without waiting, and ends each call exactly once.

A call for an actor between two generations waits here; one that a dead actor certainly had not begun goes to
its successor if it is ``safe``, as with ``Bus.call``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import zmq

from embervirt import world
from embervirt.actors import codec
from embervirt.actors.bus import Bus, too_late
from embervirt.actors.exchange import send
from embervirt.actors.fence import Fence, Fenced
from embervirt.actors.gateway import protocol
from embervirt.actors.gateway.door import Call
from embervirt.actors.messages import Header, ReplyHeader, Request
from embervirt.actors.routes import Pending, Routes
from embervirt.errors import InternalError, NotStarted, OperationTimeout, OutcomeUnknown, libvirtError
from embervirt.log import get_logger

RETRY = 0.02
"""Seconds after which the call for an actor that is not up is tried again."""

Done = Callable[[Call, Any], None]
Post = Callable[[Callable[[], None]], None]


class Calls:
    """Those of one generation, by a caller's socket of its own; they are ``held``, first come first.

    ``done(call, result)`` is called once for each on the actor's thread, ``result`` a reply or an error of
    the tree; ``post`` runs a function there. ``due``: when to call ``tick``, monotonic seconds.
    """

    def __init__(
        self, bus: Bus, fence: Fence, held: dict[Call, None], longest: float, done: Done, post: Post
    ) -> None:
        self._bus, self._fence, self._held, self._longest = bus, fence, held, longest
        self._done, self._post = done, post
        self._sent: dict[int, Call] = {}
        self.socket, self._identity = bus.caller()
        self.due = math.inf

    def begin(self, call: Call) -> None:
        """Forward it, now or when its actor is there; a driver that was not used yet is started meanwhile."""
        self._held[call] = None
        self.due = min(self.due, call.deadline)
        if self._bus.routes.known(call.name):
            self._forward(call)
        else:
            name = f"embervirt-gateway-{call.name[:40]}"
            world.Thread(target=self._find, args=(call,), name=name, daemon=True).start()

    def _find(self, call: Call) -> None:
        """On a thread of its own: a driver may take seconds to start, or refuse."""
        failure: libvirtError | None = None
        try:
            self._bus.routes.missing(call.name)
        except libvirtError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - a driver's bug is its own, and the caller's to know of
            get_logger(actor=call.name).exception("driver did not start")
            failure = InternalError(f"{call.name} could not be started: {type(error).__name__}; see the log")
        self._post(partial(self._found, call, failure))

    def _found(self, call: Call, failure: libvirtError | None) -> None:
        if call not in self._held or call.pending is not None:
            return
        if failure is None:
            self._forward(call)
        else:
            self._end(call, failure)

    def _forward(self, call: Call) -> None:
        """Send it; while its actor is not up it stays without ``pending``."""
        try:
            self._decode(call)
            with self._fence.guard():  # what a generation that was given up still does is not sent
                self._send(call, self._bus.routes.admit(call.name, self._identity, 0.0))
        except OperationTimeout:
            self.due = min(self.due, time.monotonic() + RETRY)
        except Fenced:
            raise
        except libvirtError as error:
            self._end(call, error)

    def _decode(self, call: Call) -> None:
        """Not before its driver is there, which brings the class."""
        if call.request is not None or call.ask is None:
            return
        cls = protocol.request_class(call.ask.ask)
        call.request, call.body = protocol.decode_request(cls, call.ask.body)
        if call.ask.seconds is None:
            call.deadline = call.started + min(cls.seconds or self._bus.seconds, self._longest)

    def _send(self, call: Call, pending: Pending) -> None:
        assert call.request is not None
        call.pending, self._sent[pending.id] = pending, call
        header = Header(pending.id, call.request.kind, call.deadline, call.trace)
        send(self.socket, pending.address, codec.encode(header), call.body)

    def receive(self) -> bool:
        """Take one reply off the exchange; False when there is none."""
        try:
            _, head, body = self.socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return False
        header = codec.decode_reply_header(head)
        call = self._sent.pop(header.id, None)
        if call is not None and call.pending is not None and call.request is not None:
            self._bus.routes.settle(call.pending)
            self._conclude(call, call.request, header, body)
        return True

    def _conclude(self, call: Call, request: Request[Any], header: ReplyHeader, body: bytes) -> None:
        try:
            result = codec.decode_reply(request, header, body)
        except NotStarted as error:
            if request.safe:
                call.pending, self.due = None, min(self.due, time.monotonic() + RETRY)
                return
            result = error
        except libvirtError as error:
            result = error
        self._end(call, result)

    def _end(self, call: Call, result: Any) -> None:
        del self._held[call]
        self._done(call, result)

    def tick(self, now: float) -> None:
        """End what is over its deadline, try again what waits for its actor."""
        for call in list(self._held):
            if call.deadline <= now:
                self._expire(call)
            elif call.pending is None and self._bus.routes.known(call.name):
                self._forward(call)
        self.due = min((call.deadline for call in self._held), default=math.inf)
        if any(call.pending is None and self._bus.routes.known(call.name) for call in self._held):
            self.due = min(self.due, now + RETRY)

    def _expire(self, call: Call) -> None:
        if call.pending is None or call.request is None:
            text = f"{call.name} did not come back by the deadline; nothing was started"
            self._end(call, OperationTimeout(text))
            return
        self._sent.pop(call.pending.id, None)
        self._bus.routes.settle(call.pending)
        self._end(call, too_late(call.pending, call.request, self._bus.operation(call.trace)))


def lost(call: Call, routes: Routes) -> libvirtError:
    """What is said of a call whose gateway ended. It is no longer waited for."""
    if call.pending is not None:
        routes.settle(call.pending)
        if call.pending.begun:
            text = f"the gateway ended while {call.name} handled the call; it may have happened"
            return OutcomeUnknown(text)
    return NotStarted(f"the gateway ended before {call.name or 'anybody'} began the call")
