"""The part of ZeroMQ that embervirt uses, on a simulated scheduler: inproc sockets, their context, a poller.

Order is kept between each sender and receiver only, as in libzmq: who is read next is drawn. A peer is known
to a ROUTER or PUB from that one's next poll on, so what was sent to it before is dropped there as it is here.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import zmq

from simulation.scheduler import NEVER, Scheduler, Signal

Frames = list[bytes]
DELAY = 0.002
"""Share of messages that are held up on the way, and so overtaken by those of other senders."""


class Pipe:
    """One way from a sender to a receiver. ``most``: messages it holds, 0 for no limit."""

    def __init__(self, sender: Socket, receiver: Socket, most: int = 0) -> None:
        self.sender, self.receiver, self.most = sender, receiver, most
        self.messages: deque[Frames] = deque()
        self.held_until = 0.0
        self.open = True
        self._unread = self._read = 0

    def put(self, scheduler: Scheduler, frames: Frames) -> None:
        """Drops what is over the limit, and what nobody will read."""
        if not self.open or self.receiver.closed or (self.most and self._unread >= self.most):
            return
        self._unread += 1
        self.messages.append(frames)
        if scheduler.random.random() < DELAY:
            self.held_until = scheduler.now + scheduler.random.random() ** 3 * 0.04
            scheduler.call_at(self.held_until, self.receiver.signal.fire)
        self.receiver.signal.fire()

    def get(self) -> Frames:
        """The sender hears of what was read when that is half of the limit, as libzmq's does."""
        self._read += 1
        if self._read >= (self.most + 1) // 2:
            self._unread, self._read = self._unread - self._read, 0
        return self.messages.popleft()


class Context:
    """``zmq.Context``."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.max_sockets = 1023
        self.bound: dict[str, Socket] = {}
        self.sockets: list[Socket] = []
        self.ending = self.closed = False
        self._changed = Signal()

    def socket(self, kind: int) -> Socket:
        """Raises ContextTerminated once ``term`` was called."""
        self.scheduler.checkpoint()
        if self.closed:
            raise zmq.ZMQError(errno.ENOTSUP)
        if self.ending:
            raise zmq.ContextTerminated
        made = Socket(self, kind)
        self.sockets.append(made)
        return made

    def drop(self, closed: Socket) -> None:
        """It has been closed."""
        self.sockets.remove(closed)
        self._changed.fire()

    def term(self) -> None:
        """Returns when the last socket is closed; all other use raises ContextTerminated."""
        self.ending = True
        for each in self.sockets:
            each.signal.fire()
        self.scheduler.until(lambda: not self.sockets, (self._changed,))
        self.closed = True

    def destroy(self, linger: int | None = None) -> None:
        """Close all sockets, then ``term``."""
        for each in list(self.sockets):
            each.close(linger)
        self.term()


class Socket:
    """``zmq.Socket`` of the kinds ROUTER, DEALER, PUB, SUB, PUSH and PULL."""

    def __init__(self, context: Context, kind: int) -> None:
        self.context, self.kind = context, kind
        self.identity = b""
        self.linger = -1
        self.sndhwm = self.rcvhwm = 1000
        self.router_handover = False
        self.closed = False
        self.signal = Signal()
        self.incoming: list[Pipe] = []
        self.outgoing: list[Pipe] = []
        self._new: list[tuple[Pipe | None, Pipe | None]] = []
        self._routes: dict[bytes, Pipe] = {}
        self._names: dict[Pipe, bytes] = {}
        self._parts: Frames = []
        self._timeout = -1
        self._subscribed = False
        self._scheduler = context.scheduler
        self._user: object = None
        self._next: Pipe | None = None

    # Options.

    def set_hwm(self, value: int) -> None:
        """Of both directions."""
        self.sndhwm = self.rcvhwm = value

    def setsockopt(self, option: int, value: Any) -> None:
        """IDENTITY and RCVTIMEO (milliseconds)."""
        self._check()
        if option == zmq.IDENTITY:
            self.identity = value
        elif option == zmq.RCVTIMEO:
            self._timeout = value
        else:
            self._scheduler.broken("the simulation knows it", f"socket option {option}")

    def subscribe(self, prefix: bytes) -> None:
        """Only to everything."""
        assert prefix == b""
        self._subscribed = True

    # Connections.

    def bind(self, endpoint: str) -> None:
        """Before anybody connects."""
        self._check()
        self.context.bound[endpoint] = self

    def connect(self, endpoint: str) -> None:
        """The bound one notices at its next poll."""
        self._check()
        peer = self.context.bound[endpoint]
        into = out = None
        if self.kind in (zmq.DEALER, zmq.PUSH):
            out = Pipe(self, peer)
            self.outgoing.append(out)
        if self.kind in (zmq.DEALER, zmq.SUB):
            both = self.rcvhwm and peer.sndhwm
            into = Pipe(peer, self, self.rcvhwm + peer.sndhwm if both else 0)
            self.incoming.append(into)
        if self.kind != zmq.SUB or self._subscribed:
            peer._new.append((out, into))
        peer.signal.fire()

    def _attend(self) -> None:
        """Peers that have connected since."""
        while self._new:
            into, out = self._new.pop(0)
            if into is not None:
                self.incoming.append(into)
            if out is None:
                continue
            self.outgoing = [pipe for pipe in self.outgoing if not pipe.receiver.closed]
            self.outgoing.append(out)
            if self.kind == zmq.ROUTER and into is not None:
                self._introduce(into, out)

    def _introduce(self, into: Pipe, out: Pipe) -> None:
        name = out.receiver.identity
        before = self._routes.get(name)
        if before is not None and not before.receiver.closed:
            if not self.router_handover:
                into.open = out.open = False
                self.incoming.remove(into)
                return
            before.open = False
            self.incoming = [each for each in self.incoming if each.sender is not before.receiver]
        self._routes[name], self._names[into] = out, name

    # Sending.

    def send(self, frame: bytes, flags: int = 0) -> None:
        """One frame; nothing goes out before the last."""
        self._check()
        self._parts.append(frame)
        if flags & zmq.SNDMORE:
            return
        frames, self._parts = self._parts, []
        self._scheduler.checkpoint()
        self._deliver(frames)

    def send_multipart(self, frames: Sequence[bytes]) -> None:
        """A whole message."""
        self._check()
        self._scheduler.checkpoint()
        self._deliver(list(frames))

    def _deliver(self, frames: Frames) -> None:
        self._check()
        if self.kind == zmq.ROUTER:
            route = self._routes.get(frames[0])
            targets, frames = ([] if route is None else [route]), frames[1:]
        else:
            targets = self.outgoing
        for pipe in targets:
            pipe.put(self._scheduler, list(frames))

    # Receiving.

    def _readable(self) -> list[Pipe]:
        now = self._scheduler.now
        return [pipe for pipe in self.incoming if pipe.messages and pipe.held_until <= now]

    def ready(self) -> bool:
        """Whether a receive would not wait: there is something, or nothing will ever be.

        What is received next is settled here, as in libzmq: nothing that is sent later overtakes it.
        """
        self._attend()
        if self._next is None:
            pipes = self._readable()
            self._next = self._scheduler.random.choice(pipes) if pipes else None
        return self.closed or self.context.ending or self._next is not None

    def recv_multipart(self, *, timeout: float | None = None) -> Frames:
        """A whole message. Raises ``zmq.Again`` after RCVTIMEO, ContextTerminated."""
        seconds = self._timeout / 1000 if timeout is None else timeout
        if not self._wait(NEVER if seconds < 0 else self._scheduler.now + seconds):
            raise zmq.Again
        pipe, self._next = self._next, None
        assert pipe is not None
        frames = pipe.get()
        if pipe.sender.closed and not pipe.messages:
            self.incoming.remove(pipe)
        return [self._names[pipe], *frames] if self.kind == zmq.ROUTER else frames

    def poll(self, timeout: float | None = None) -> int:
        """POLLIN or 0, after at most ``timeout`` milliseconds. Raises ENOTSUP when closed, as pyzmq does."""
        if self.closed:
            raise zmq.ZMQError(errno.ENOTSUP)
        forever = timeout is None or timeout < 0
        return zmq.POLLIN if self._wait(NEVER if forever else self._scheduler.now + timeout / 1000) else 0  # type: ignore[operator]

    def _wait(self, deadline: float) -> bool:
        self._check()
        with self.used():
            ready = self._scheduler.until(self.ready, (self.signal,), deadline)
        self._check()
        return ready

    def used(self) -> _Used:
        """While somebody waits for it."""
        return _Used(self)

    def _check(self) -> None:
        if self._scheduler.dying:
            self._scheduler.checkpoint()
        if self.closed:
            raise zmq.ZMQError(zmq.ENOTSOCK)
        if self.context.ending:
            raise zmq.ContextTerminated
        if self._user is not None and self._user is not self._scheduler.current:
            self._scheduler.broken("one thread for a socket", f"{self!r} is used by two threads at once")

    def close(self, linger: int | None = None) -> None:
        """What was sent before still arrives; what nobody has read is gone. May be repeated."""
        self._scheduler.checkpoint()
        if not self.closed:
            self.closed = True
            self.incoming.clear()
            self.context.bound = {end: each for end, each in self.context.bound.items() if each is not self}
            self.signal.fire()
            self.context.drop(self)

    def __enter__(self) -> Socket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<socket {self.kind} {self.identity!r}>"


class _Used:
    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    def __enter__(self) -> None:
        self._socket._user = self._socket._scheduler.current

    def __exit__(self, *_: object) -> None:
        self._socket._user = None


class Descriptors:
    """Small integers that a simulated poller understands: each readable or not, with a signal."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self._next = 1_000_000
        self.open: dict[int, tuple[Callable[[], bool], Signal]] = {}

    def add(self, readable: Callable[[], bool], signal: Signal) -> int:
        """A new number, never one that was given before."""
        self._next += 1
        self.open[self._next] = readable, signal
        return self._next

    def close(self, number: int) -> None:
        """Once. Raises OSError (EBADF)."""
        if self.open.pop(number, None) is None:
            raise OSError(errno.EBADF, f"{os.strerror(errno.EBADF)}: descriptor {number} of the simulation")


class Wake:
    """``world.Wake``; to ring a closed one is a failure, for its number may be somebody else's by now."""

    def __init__(self, descriptors: Descriptors) -> None:
        self._descriptors, self._rung, self._signal = descriptors, False, Signal()
        self._number = descriptors.add(lambda: self._rung, self._signal)

    def fileno(self) -> int:
        """For a poller."""
        return self._number

    def ring(self) -> None:
        """As ``world.Wake``'s."""
        if self._number not in self._descriptors.open:
            text = f"wake {self._number} was rung after its end"
            self._descriptors.scheduler.broken("nothing closed is used", text)
        self._rung = True
        self._signal.fire()

    def clear(self) -> None:
        """As ``world.Wake``'s."""
        assert self._rung
        self._rung = False

    def close(self) -> None:
        """Once."""
        self._descriptors.close(self._number)


class Poller:
    """``zmq.Poller`` of sockets and descriptors, for POLLIN."""

    def __init__(self, scheduler: Scheduler, descriptors: Descriptors) -> None:
        self._scheduler, self._descriptors = scheduler, descriptors
        self._watched: dict[Any, int] = {}

    def register(self, what: Any, flags: int = zmq.POLLIN) -> None:
        """A socket or a number."""
        self._watched[what] = flags

    def unregister(self, what: Any) -> None:
        """Raises KeyError."""
        del self._watched[what]

    def poll(self, timeout: float | None = None) -> list[tuple[Any, int]]:
        """What is readable, after at most ``timeout`` milliseconds. Raises ContextTerminated."""
        signals = [self._signal(each) for each in self._watched]
        forever = timeout is None or timeout < 0
        deadline = NEVER if forever else self._scheduler.now + timeout / 1000  # type: ignore[operator]
        self._scheduler.until(self._readable, signals, deadline)
        return [(each, zmq.POLLIN) for each in self._readable()]

    def _signal(self, what: Any) -> Signal:
        if isinstance(what, Socket):
            what._check()
            return what.signal
        return self._descriptor(what)[1]

    def _descriptor(self, number: int) -> tuple[Callable[[], bool], Signal]:
        if number not in self._descriptors.open:
            self._scheduler.broken("nothing closed is used", f"descriptor {number} is polled after its end")
        return self._descriptors.open[number]

    def _readable(self) -> list[Any]:
        return [each for each in self._watched if self._is_readable(each)]

    def _is_readable(self, what: Any) -> bool:
        if not isinstance(what, Socket):
            return self._descriptor(what)[0]()
        if what.context.ending:
            raise zmq.ContextTerminated
        return what.ready()


def monitored_queue(calls: Socket, actors: Socket, side: Socket, request: bytes, reply: bytes) -> None:
    """``zmq.devices.monitored_queue`` between two ROUTERs: swaps the first two frames. Until the end."""
    poller = Poller(calls._scheduler, Descriptors(calls._scheduler))
    poller.register(calls)
    poller.register(actors)
    ways = ((calls, actors, request), (actors, calls, reply))
    while True:
        ready = dict(poller.poll())
        side._attend()
        for source, target, name in ways:
            if source in ready:
                first, second, *rest = source.recv_multipart()
                target.send_multipart([second, first, *rest])
                side.send_multipart([name, second, first, *rest])


def proxy(source: Socket, target: Socket) -> None:
    """``zmq.proxy`` from a PULL to a PUB. Until the end."""
    poller = Poller(source._scheduler, Descriptors(source._scheduler))
    poller.register(source)
    poller.register(target)
    while True:
        poller.poll()
        target._attend()
        if source.ready():
            target.send_multipart(source.recv_multipart())
