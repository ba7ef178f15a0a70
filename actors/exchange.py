"""The sockets that join callers and actors of one root, on compiled threads that need no GIL.

``monitored_queue`` between two ROUTERs swaps the first two frames: a caller sends
``[actor address, header, body]``, the actor receives ``[caller address, header, body]`` and answers
the same way. Its third socket publishes a copy of everything: the trace. It drops what it cannot
route, so ``routes`` settles what was in flight to an actor that died; a message of fewer than two
frames would swallow the next one, so only ``send`` here writes to it, and it sends three.
A second thread forwards events from the events actor to any number of subscribers, and outlives
that actor, because inproc peers never reconnect to a replaced socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import zmq

from embervirt import world
from embervirt.actors import checked
from embervirt.errors import InvalidConnection

CALLS = "inproc://calls"
ACTORS = "inproc://actors"
TRACE = "inproc://trace"
PUBLISH = "inproc://publish"
EVENTS = "inproc://events"


def socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, identity: bytes = b"") -> zmq.Socket[bytes]:
    """A socket that never blocks the end of its context and never drops for a full queue.

    One that sends to a peer fails, instead of waiting, when there is none: all peers are there before.
    """
    made = context.socket(kind, checked.Checked) if checked.ON else context.socket(kind)
    made.linger = 0
    made.set_hwm(0)
    if kind in (zmq.DEALER, zmq.PUSH):
        made.sndtimeo = 0
    if identity:
        made.setsockopt(zmq.IDENTITY, identity)
    return made


MORE = int(zmq.SNDMORE)
"""As a plain number: joined as flags, which ``send_multipart`` does, they cost as much as the sending."""


def send(sock: zmq.Socket[bytes], to: bytes, header: bytes, body: bytes) -> None:
    """The only way onto the exchange. Raises InvalidConnection when that is gone."""
    try:
        sock.send(to, MORE)
        sock.send(header, MORE)
        sock.send(body)
    except zmq.Again:
        raise InvalidConnection("the exchange of the root has ended") from None


HELLO = 5.0
"""Seconds in which the exchange passes on a message; it takes microseconds."""

AGAIN = 10
"""Milliseconds after which it is sent again."""


def greet(by: zmq.Socket[bytes], address: bytes, to: zmq.Socket[bytes]) -> None:
    """Wait until a message of ``by`` has come to ``to``: from then on the exchange routes to both.

    One may be dropped: sending, a ROUTER looks for new peers at most once in some milliseconds (libzmq's
    ``max_command_delay``; measured: one hello in 10,000). Therefore another is sent from time to time, and
    who receives later drops what has no header. Raises InvalidConnection when the exchange passes on nothing.
    """
    name, deadline = by.identity, world.monotonic() + HELLO
    while world.monotonic() < deadline:
        send(by, address, b"", b"")
        while to.poll(AGAIN):
            if to.recv_multipart()[0] == name:
                return
    raise InvalidConnection("the exchange of the root does not answer")


class Exchange:
    """The ZeroMQ context of a root with its two compiled threads; ``close`` waits for both.

    ``died`` is told, on that thread, the name of one that ended before, and why. None is ever replaced.
    """

    def __init__(self, died: Callable[[str, BaseException], None] = lambda name, error: None) -> None:
        self._died = died
        self.context: zmq.Context[zmq.Socket[bytes]] = world.Context()
        self.context.max_sockets = 16384
        try:
            exchange, events = self._exchange_sockets(), self._event_sockets()
        except zmq.ZMQError:  # no descriptors left
            self.context.destroy(0)
            raise
        self._ending = world.Thread(target=self._end, name="embervirt-ending", daemon=True)
        self._threads = [
            self._run("exchange", exchange, self._exchange),
            self._run("events", events, lambda into, out: world.proxy(into, out)),
        ]

    def _bound(self, kind: int, endpoint: str) -> zmq.Socket[bytes]:
        made = socket(self.context, kind)
        if kind == zmq.PUB:
            made.sndhwm = 1  # with the subscriber's own queue it bounds what a slow one may hold back
        if kind == zmq.ROUTER:
            made.router_handover = True
        made.bind(endpoint)
        return made

    def _exchange_sockets(self) -> list[zmq.Socket[bytes]]:
        kinds = ((zmq.ROUTER, CALLS), (zmq.ROUTER, ACTORS), (zmq.PUB, TRACE))
        return [self._bound(kind, endpoint) for kind, endpoint in kinds]

    def _event_sockets(self) -> list[zmq.Socket[bytes]]:
        """PUB, not XPUB: a proxy that cannot forward the subscriptions an XPUB hands out spins on them."""
        return [self._bound(zmq.PULL, PUBLISH), self._bound(zmq.PUB, EVENTS)]

    @staticmethod
    def _exchange(*sockets: zmq.Socket[bytes]) -> None:
        world.monitored_queue(*sockets, b"request", b"reply")

    def _run(self, name: str, sockets: list[zmq.Socket[bytes]], device: Callable[..., object]) -> Any:
        def run() -> None:
            try:
                device(*sockets)
            except zmq.ContextTerminated:
                pass
            except BaseException as error:  # noqa: BLE001 - whatever it was, nothing gets through any more
                self._died(name, error)
            finally:
                for each in sockets:
                    each.close(0)

        thread = world.Thread(target=run, name=f"embervirt-{name}", daemon=True)
        thread.start()
        return thread

    def close(self, seconds: float) -> bool:
        """End the context; False when a socket of it was still open after ``seconds``.

        Whoever holds that one (a subscriber, an abandoned actor) gets ContextTerminated at its next use and
        closes it; a thread of our own waits for that.
        """
        if self._ending.ident is None:
            self._ending.start()
        self._ending.join(seconds)
        return not self._ending.is_alive()

    def _end(self) -> None:
        self.context.term()
        for thread in self._threads:
            thread.join()
