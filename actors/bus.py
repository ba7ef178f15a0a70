"""Calls and events of one root, from any thread: the exchange, the routes and a pool of caller sockets.

A socket is used by one thread at a time: it is taken from the pool for a call and given back, and
the pool's lock is the memory barrier that lets it move between threads.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from contextlib import ExitStack
from typing import Any, TypeVar

import zmq

from embervirt import faults, world
from embervirt.actors import codec
from embervirt.actors.exchange import ACTORS, CALLS, EVENTS, TRACE, Exchange, greet, send, socket
from embervirt.actors.exits import Exit
from embervirt.actors.handover import Handover
from embervirt.actors.messages import Event, Failure, Header, Message, ReplyHeader, Request
from embervirt.actors.routes import Pending, Routes
from embervirt.errors import (
    ForkedError,
    InvalidConnection,
    NotStarted,
    OperationTimeout,
    OutcomeUnknown,
    ResourceBusy,
    libvirtError,
)

R = TypeVar("R")
Caller = tuple[zmq.Socket[bytes], bytes]
EVENTS_ACTOR = "events"


PATIENCE = 0.4
"""Seconds the end of a bus waits for calls to return, and again for sockets that others hold."""


class Bus:
    """``seconds``: deadline of a call that does not say; ``mailbox``: calls that may wait for one actor.

    ``in_flight``: calls under way at once, in all threads. ``published``: number of the last event,
    as the events actor says; ``lost``: events since then that could not wait any longer.
    ``degraded``: actors by name that do only a part of what they should, and why; ``broken``: threads of the
    exchange that ended, and why.
    """

    def __init__(self, seconds: float = 30.0, mailbox: int = 1000, in_flight: int = 1000) -> None:
        self.seconds = seconds
        self.broken: dict[str, str] = {}
        self.routes = Routes(mailbox)
        self.exchange = Exchange(self._died)
        self.context = self.exchange.context
        self.handover = Handover()
        self.outbox: deque[tuple[str, Event]] = deque()
        self.published = 0
        self.lost = 0
        self.degraded: dict[str, str] = {}
        self.session = world.token_bytes(4).hex()
        self._pid = os.getpid()
        self._traces, self._callers = itertools.count(1), itertools.count(1)
        self._lock = world.RLock()  # not the condition, see ``Routes``
        self._idles = world.Condition(self._lock)
        self._idle: list[Caller] = []
        self._busy, self._in_flight = 0, in_flight
        self._closing = False
        with ExitStack() as undo:
            undo.callback(self.exchange.close, PATIENCE)
            self._notices = undo.enter_context(self._dealer(ACTORS, b"notices"))
            self._tells = undo.enter_context(self._dealer(CALLS, b"tells"))
            undo.pop_all()
        self.routes.notify = self._notify

    def _dealer(self, endpoint: str, identity: bytes) -> zmq.Socket[bytes]:
        made = socket(self.context, zmq.DEALER, identity)
        made.connect(endpoint)
        return made

    def _died(self, name: str, error: BaseException) -> None:
        """A thread of the exchange: calls are refused from now on, or events are no longer heard."""
        self.broken[name] = str(Exit("error", error))
        if name == "exchange":
            self.routes.fail(InvalidConnection(f"the exchange of the root failed: {self.broken[name]}"))

    def _notify(self, pending: Pending, failure: Failure) -> None:
        header = codec.encode(ReplyHeader(pending.id, False, pending.generation))
        with self._lock:
            if not self._notices.closed and self.routes.failed is None:
                send(self._notices, pending.caller, header, codec.encode(failure))

    def _check_process(self) -> None:
        """Before any lock or socket: in a forked child they are copies of what the parent's threads use."""
        if os.getpid() != self._pid:
            raise ForkedError("this process was forked from the one that opened the root; open it anew")

    def _take(self) -> Caller:
        with self._lock:
            self._check_open()
            if self._busy >= self._in_flight:
                raise ResourceBusy(f"{self._busy} calls are under way already (setting calls.in_flight)")
            taken = self._idle.pop() if self._idle else self._connected()
            self._busy += 1
            return taken

    def _give_back(self, taken: Caller, reusable: bool) -> None:
        with self._lock:
            self._busy -= 1
            if reusable and not self._closing:
                self._idle.append(taken)
            else:
                taken[0].close(0)
                self._idles.notify_all()

    def _check_open(self) -> None:
        if self._closing:
            raise InvalidConnection("the root was closed")

    def _connected(self) -> Caller:
        """A new socket that the exchange routes to: a hello went through, so no notice to it is dropped."""
        identity = b"caller-%d" % next(self._callers)
        made = self._dealer(CALLS, identity)
        try:
            greet(made, b"notices", self._notices)
        except InvalidConnection:
            made.close(0)
            raise
        return made, identity

    def caller(self) -> Caller:
        """A socket of one's own with its identity, for who sends many calls and waits for none.

        For one thread; ``release`` it before the root's end. ``in_flight`` does not count its calls.
        """
        self._check_process()
        with self._lock:
            self._check_open()
            return self._connected()

    def operation(self, trace: int) -> str:
        """The id, over all processes that ever had the root open, of what a call with this trace id does."""
        return f"{self.session}-{trace}"

    def new_trace(self) -> int:
        """A trace id for a call that comes from outside."""
        return next(self._traces)

    def call(
        self, name: str, request: Request[R], *, deadline: float | None = None, trace: int | None = None
    ) -> R:
        """Ask the actor ``name`` and wait for its reply, until ``deadline`` (monotonic seconds).

        Raises what the actor answered with; OperationTimeout; NotStarted or OutcomeUnknown when it
        died; MailboxFull; ActorUnavailable. A request that is ``safe`` goes to the successor of an
        actor that died before it began it.
        """
        self._check_process()
        until = world.monotonic() + (request.seconds or self.seconds) if deadline is None else deadline
        trace = self.new_trace() if trace is None else trace
        while True:
            try:
                return self._once(name, request, until, trace)
            except NotStarted:
                if not request.safe or world.monotonic() >= until:
                    raise
            except (OperationTimeout, OutcomeUnknown) as error:
                error.operation = self.operation(trace)
                raise

    def _once(self, name: str, request: Request[R], deadline: float, trace: int) -> R:
        body = codec.encode(request)
        taken, reusable = self._take(), False
        try:
            pending, reply = self._exchanged(taken, name, request.kind, body, deadline, trace)
            reusable = True
        except libvirtError:
            reusable = True
            raise
        except zmq.ContextTerminated:
            raise InvalidConnection("the root was closed") from None
        finally:  # a socket that something else interrupted may hold half a message
            self._give_back(taken, reusable)
        if reply is None:
            raise too_late(pending, request, self.operation(trace))
        return codec.decode_reply(request, *reply)  # type: ignore[no-any-return]

    def _exchanged(
        self, taken: Caller, name: str, kind: str, body: bytes, deadline: float, trace: int
    ) -> tuple[Pending, tuple[ReplyHeader, bytes] | None]:
        sock, identity = taken
        pending = self.routes.admit(name, identity, deadline)
        try:
            to, header = pending.address, codec.encode(Header(pending.id, kind, deadline, trace))
            if not faults.armed or faults.hit(
                "message.sent", to=name, kind=kind, again=lambda: send(sock, to, header, body)
            ):
                send(sock, to, header, body)
            return pending, self._reply(sock, pending.id, deadline)
        except zmq.ContextTerminated:  # before the notice of what ``close`` had settled came here
            if pending.begun:
                why = f"the root was closed while {name} handled the call; it may have happened"
                raise OutcomeUnknown(why) from None
            raise
        finally:
            self.routes.settle(pending)

    @staticmethod
    def _reply(sock: zmq.Socket[bytes], id_: int, deadline: float) -> tuple[ReplyHeader, bytes] | None:
        """The reply to ``id_``; what else arrives belongs to calls that were given up."""
        while True:
            left = deadline - world.monotonic()
            sock.setsockopt(zmq.RCVTIMEO, max(0, int(left * 1000) + 1))
            try:
                _, head, body = sock.recv_multipart()
            except zmq.Again:
                return None
            header = codec.decode_reply_header(head)
            if header.id == id_:
                return header, body

    def tell(self, name: str, message: Message) -> bool:
        """Send without a reply; False when nobody is there now. Never waits, and needs no new descriptor."""
        self._check_process()
        address = self.routes.address(name)
        if address is None or self.routes.failed is not None:
            return False
        header = codec.encode(Header(0, message.kind, 0.0, 0))
        body = codec.encode(message)
        with self._lock:
            if not self._closing and (
                not faults.armed
                or faults.hit(
                    "message.sent",
                    to=name,
                    kind=message.kind,
                    again=lambda: send(self._tells, address, header, body),
                )
            ):
                send(self._tells, address, header, body)
            return not self._closing

    def publish(self, event: Event) -> None:
        """Hand an event to the events actor; it waits in the outbox while that actor restarts."""
        if faults.armed:
            faults.hit("event.published", kind=event.kind)
        self.outbox.append((world.token_bytes(8).hex(), event))
        self.tell(EVENTS_ACTOR, Drain())

    def subscriber(self, queue: int, endpoint: str = EVENTS) -> zmq.Socket[bytes]:
        """A SUB socket that hears all of ``endpoint``, for one thread; close it before the root's end.

        That end wakes it with ``zmq.ContextTerminated`` and waits ``PATIENCE`` for it.
        """
        self._check_process()
        with self._lock:
            self._check_open()
            made = socket(self.context, zmq.SUB)
        made.rcvhwm = queue
        made.subscribe(b"")
        made.connect(endpoint)
        return made

    def trace(self, queue: int = 10_000) -> zmq.Socket[bytes]:
        """A copy of every message between actors: ``[b"request"|b"reply", to, from, header, body]``."""
        return self.subscriber(queue, TRACE)

    @staticmethod
    def release(lent: zmq.Socket[bytes]) -> None:
        """Close a socket of ``subscriber``; in a forked child it stays the parent's."""
        lent.close(0)

    def close(self) -> bool:
        """End every call in flight with InvalidConnection, then every socket. Actors must have ended.

        False when somebody still holds a socket of this bus: an actor that was abandoned, a subscriber.
        """
        if os.getpid() != self._pid:
            return True
        self.routes.close(InvalidConnection("the root was closed"))
        with self._lock:
            self._closing = True
            self._idles.wait_for(lambda: not self._busy, PATIENCE)
            for each in [self._notices, self._tells, *(sock for sock, _ in self._idle)]:
                each.close(0)
        self.handover.clear()
        return self.exchange.close(PATIENCE)


class Drain(Message, frozen=True):
    """There is something in the outbox."""


def too_late(pending: Pending, request: Request[Any], operation: str) -> OperationTimeout:
    """What a caller is told at its deadline; ``settle`` the call before."""
    what = "it goes on and may still happen" if pending.begun else "it was not begun and will not be"
    asked = f"{pending.name} to {type(request).__name__} (operation {operation})"
    error = OperationTimeout(f"no answer from {asked} in time; {what}")
    error.operation = operation
    return error
