"""The sockets that other processes connect to. They outlive its actor, as the exchange does all actors.

What a peer sends while there is no actor waits for the next one. What an actor left unanswered is found here
by its successor. One generation at a time uses a door, for each step is under the fence of who takes it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import zmq
from msgspec import Raw

from embervirt.actors.exchange import socket
from embervirt.actors.fence import Fence
from embervirt.actors.gateway import protocol, zap
from embervirt.actors.messages import Request
from embervirt.actors.routes import Pending
from embervirt.errors import ConfigUnsupported, InvalidConnection, SystemError_

UNREAD = 16
"""Requests of one peer that wait unread here; the next ones wait in its own process."""

UNSENT = 1000
"""Answers and events that wait for one peer to read them."""

HEARTBEAT = 10_000
"""Milliseconds: a peer on TCP that does not answer a ping for so long is gone."""

LINGER = 200
"""Milliseconds in which the last answers may leave."""

Sent = Literal["sent", "full", "gone"]
"""``full``: the peer does not read what it was sent."""


class Client(NamedTuple):
    """One connection: the socket it came in by, and the name that socket gave it."""

    socket: int
    routing: bytes


@dataclass(slots=True, eq=False)
class Call:
    """A request without answer. ``client`` None: the gateway's own. ``pending``: once it was sent."""

    client: Client | None
    id: Raw
    name: str = ""
    started: float = 0.0
    deadline: float = 0.0
    trace: int = 0
    ask: protocol.Ask | None = None
    request: Request[object] | None = None
    body: bytes = b""
    pending: Pending | None = None
    answer: bytes = b""


@dataclass(slots=True, eq=False)
class Subscriber:
    """``last``: every event up to that number was sent. ``full``: it did not read them."""

    client: Client
    id: Raw
    last: int
    full: bool = False


@dataclass(eq=False)
class Door:
    """``listen`` and ``listen_tcp`` open it. ``largest``: bytes of a request; ``keys``: who may come by TCP.

    ``taken`` is in an actor's hand, ``calls`` are not answered yet, ``unread`` are, but their peers have no
    room for that.
    """

    context: zmq.Context[zmq.Socket[bytes]]
    largest: int
    keys: Callable[[], frozenset[str]] = frozenset
    sockets: list[zmq.Socket[bytes]] = field(default_factory=list)
    questions: zmq.Socket[bytes] | None = None
    taken: tuple[Client, list[bytes]] | None = None
    calls: dict[Call, None] = field(default_factory=dict)
    unread: dict[Call, None] = field(default_factory=dict)
    subscribers: dict[Subscriber, None] = field(default_factory=dict)

    def listen(self, descriptor: int) -> None:
        """Take connections from a listening Unix socket, which the door closes."""
        sock = self._socket()
        sock.setsockopt(zmq.USE_FD, descriptor)
        sock.bind("ipc://given")  # a name that libzmq wants and, with USE_FD, does not use

    def listen_tcp(self, endpoint: str, secret_key: str) -> None:
        """Take connections at ``tcp://HOST:PORT``, encrypted with CURVE, of those whose keys are known.

        Raises ConfigUnsupported, SystemError_.
        """
        if not zmq.has("curve"):
            raise ConfigUnsupported(f"gateway.tcp = {endpoint!r}: this libzmq was built without CURVE")
        self.questions = socket(self.context, zmq.ROUTER)
        self.questions.bind(zap.ENDPOINT)
        sock = self._socket()
        sock.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT)
        zap.secure(sock, secret_key)
        try:
            sock.bind(endpoint)
        except zmq.ZMQError as error:
            text = f"gateway.tcp = {endpoint!r}: cannot listen there: {zmq.strerror(error.errno or 0)}"
            raise SystemError_(text, int1=error.errno or -1) from error

    def _socket(self) -> zmq.Socket[bytes]:
        made = socket(self.context, zmq.ROUTER)
        made.linger = LINGER
        made.router_mandatory = True
        made.rcvhwm, made.sndhwm = UNREAD, UNSENT
        made.maxmsgsize = 2 * self.largest + 65536  # up to here there is an answer; beyond, libzmq hangs up
        self.sockets.append(made)
        return made

    @property
    def endpoint(self) -> str:
        """Where the socket opened last listens."""
        return str(self.sockets[-1].get_string(zmq.LAST_ENDPOINT)).rstrip("\0")

    # What an actor does, under its fence.

    def descriptors(self, fence: Fence) -> list[int]:
        """Readable when one of the sockets may have something; it is only told once."""
        with fence.guard():
            return [sock.fileno() for sock in self._all()]

    def _all(self) -> Iterator[zmq.Socket[bytes]]:
        yield from self.sockets
        if self.questions is not None:
            yield self.questions

    def take_over(self, fence: Fence) -> list[Call]:
        """What was left in hand, unanswered or unread; ``calls`` and ``unread`` are new ones from now on."""
        with fence.guard():
            left = [*self.calls, *self.unread]
            if self.taken is not None:
                client, frames = self.taken
                left.append(Call(client, protocol.read(frames, self.largest)[0]))
            self.taken, self.calls, self.unread = None, {}, {}
            return left

    def receive(self, fence: Fence, at: int) -> tuple[Client, list[bytes]] | None:
        """The next message that came in by socket ``at``, ``taken`` until ``done``; None: there is none."""
        with fence.guard():
            self.taken = _received(self.sockets[at], at)
            return self.taken

    def done(self, fence: Fence) -> None:
        """It is answered, or among ``calls``."""
        with fence.guard():
            self.taken = None

    def send(self, fence: Fence, client: Client, frame: bytes) -> Sent:
        """To a peer. Never waits."""
        with fence.guard():
            return _send(self.sockets[client.socket], client.routing, frame)

    def judge(self, fence: Fence) -> bool:
        """Answer one question about a peer that wants in; False when there is none."""
        if self.questions is None:
            return False
        with fence.guard():
            try:
                question = self.questions.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return False
            self.questions.send_multipart(zap.verdict(question, self.keys))
            return True

    def close(self) -> None:
        """After all actors: whoever still waits is told, then the sockets go. More than once is fine."""
        why = InvalidConnection("the root was closed")
        for call in [*self.calls, *self.unread]:
            if call.client is not None:
                _send(self.sockets[call.client.socket], call.client.routing, protocol.refusal(call.id, why))
        for at, sock in enumerate(self.sockets):
            for client, frames in _unread(sock, at):
                id_, _ = protocol.read(frames, self.largest)
                _send(sock, client.routing, protocol.refusal(id_, why))
        for each in self._all():
            each.close()
        self.calls, self.unread, self.sockets = {}, {}, []


def _unread(sock: zmq.Socket[bytes], at: int) -> Iterator[tuple[Client, list[bytes]]]:
    """What came in and nobody took; a peer that goes on sending is not waited for."""
    for _ in range(UNSENT):
        received = _received(sock, at)
        if received is None:
            return
        yield received


def _received(sock: zmq.Socket[bytes], at: int) -> tuple[Client, list[bytes]] | None:
    try:
        routing, *frames = sock.recv_multipart(zmq.DONTWAIT)
    except zmq.Again:
        return None
    return Client(at, routing), frames


def _send(sock: zmq.Socket[bytes], routing: bytes, frame: bytes) -> Sent:
    try:
        sock.send_multipart([routing, frame], zmq.DONTWAIT)
    except zmq.Again:
        return "full"
    except zmq.ZMQError as error:
        if error.errno != errno.EHOSTUNREACH:
            raise
        return "gone"
    return "sent"
