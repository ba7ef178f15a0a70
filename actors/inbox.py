"""The inbox of an actor: its ZeroMQ socket, a control lane that goes first, and watched descriptors.

This is what Pykka's ``_create_actor_inbox`` returns. Made by the starter, opened and read by the
actor's thread only; ``put`` may be called by any thread.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import math
import resource
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import zmq
from pykka._envelope import Envelope

from embervirt import world
from embervirt.actors.checked import Checked
from embervirt.actors.exchange import ACTORS, CALLS, greet, send, socket
from embervirt.errors import InvalidConnection, SystemError_


class Mail(NamedTuple):
    """A message off the exchange, not yet decoded."""

    caller: bytes
    header: bytes
    body: bytes


class Inbox:
    """Control lane first, then descriptors that became ready, then mail. ``dropped``: what came too late."""

    def __init__(self) -> None:
        self.dropped = 0
        self._lock = world.Lock()
        self._lane: deque[Envelope[Any]] = deque()
        self._wake: world.Wake | None = None
        self._closed = False
        self._watched: dict[int, Callable[[], None]] = {}
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count(1)
        self._alarm = 0
        self._poller = world.Poller()
        self._socket: zmq.Socket[bytes] | None = None

    def open(self, context: zmq.Context[zmq.Socket[bytes]], address: bytes) -> None:
        """Connect as ``address`` and wait until the exchange routes to it: a hello of its own comes back.

        Raises SystemError_ when no descriptor is left for it, InvalidConnection when none comes back.
        """
        try:
            self._open(context, address)
        except (OSError, zmq.ZMQError) as error:
            if error.errno != errno.EMFILE:
                raise
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            text = f"no descriptors left for {address.decode()}: RLIMIT_NOFILE (ulimit -n) is {limit}"
            raise SystemError_(text, int1=errno.EMFILE) from error

    def _open(self, context: zmq.Context[zmq.Socket[bytes]], address: bytes) -> None:
        self._wake = world.make_wake()
        sock = self._socket = socket(context, zmq.DEALER, address)
        if isinstance(sock, Checked):
            sock.own()
        sock.connect(ACTORS)
        self._poller.register(self._wake.fileno(), zmq.POLLIN)
        self._poller.register(sock, zmq.POLLIN)
        with socket(context, zmq.DEALER, b"hello " + address) as hello:
            hello.connect(CALLS)
            greet(hello, address, sock)

    def put(self, envelope: Envelope[Any]) -> None:
        """Into the control lane; after the end it is dropped, for its sender has the exit report."""
        with self._lock:
            if self._closed:
                self.dropped += 1
                return
            self._lane.append(envelope)
            if self._wake is not None:  # before ``open`` nobody waits yet
                self._wake.ring()

    def get(self) -> Envelope[Any]:
        """The next message; blocks until there is one."""
        while not self._lane:
            if not self._ring():
                self._wait(self._patience())
        return self._lane.popleft()

    def _wait(self, milliseconds: int | None) -> None:
        """Until there is something; into the lane with it, but mail only if nothing else came before."""
        mail = False
        for ready, _ in self._poller.poll(milliseconds):
            if self._wake is not None and ready == self._wake.fileno():
                self._wake.clear()
            elif isinstance(ready, int):
                self._lane.append(Envelope(partial(self._fire, ready)))
            else:
                mail = True
        if mail and not self._lane:
            self._receive()

    def _receive(self) -> None:
        """What has not three frames is dropped: ``send`` makes nothing else. A late hello has no header."""
        assert self._socket is not None
        frames = self._socket.recv_multipart()
        if len(frames) == 3 and frames[1]:
            self._lane.append(Envelope(Mail(*frames)))

    def _ring(self) -> bool:
        """The first alarm into the lane, when it is time."""
        if not self._alarms or self._alarms[0][0] > world.monotonic():
            return False
        self._lane.append(Envelope(heapq.heappop(self._alarms)[2]))
        return True

    def ring_due(self) -> None:
        """Run the alarms whose time has come, here and now: for ``setup``, which comes before all of them."""
        while self._alarms and self._alarms[0][0] <= world.monotonic():
            heapq.heappop(self._alarms)[2]()

    def _patience(self) -> int | None:
        """Milliseconds until the first alarm, rounded up."""
        if not self._alarms:
            return None
        return max(0, math.ceil((self._alarms[0][0] - world.monotonic()) * 1000))

    def _fire(self, descriptor: int) -> None:
        """What came before it in the lane may have ended the watch."""
        ready = self._watched.get(descriptor)
        if ready is not None:
            ready()

    @property
    def quiet(self) -> bool:
        """Whether nothing is in the control lane."""
        return not self._lane

    def empty(self) -> bool:
        """Pykka asks at the end; what is left then is settled by ``Routes.down``."""
        return True

    def watch(self, descriptor: int, ready: Callable[[], None]) -> None:
        """Call ``ready`` on the actor's thread, each time ``descriptor`` is readable, until ``unwatch``."""
        self._watched[descriptor] = ready
        self._poller.register(descriptor, zmq.POLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Stop watching."""
        if self._watched.pop(descriptor, None) is not None:
            self._poller.unregister(descriptor)

    def at(self, when: float, task: Callable[[], None]) -> int:
        """Call ``task`` on the actor's thread at ``when`` (monotonic seconds); answers the alarm's number."""
        number = next(self._numbers)
        heapq.heappush(self._alarms, (when, number, task))
        return number

    def alarm(self, when: float, task: Callable[[], None]) -> None:
        """The one alarm that is set anew: as ``at``, in the place of the last; at infinity there is none."""
        self._alarms = [each for each in self._alarms if each[1] != self._alarm]
        heapq.heapify(self._alarms)
        self._alarm = 0 if math.isinf(when) else self.at(when, task)

    def reply(self, caller: bytes, header: bytes, body: bytes) -> None:
        """Answer; on the actor's thread. Once the exchange is gone nobody can hear it."""
        assert self._socket is not None
        with contextlib.suppress(InvalidConnection):
            send(self._socket, caller, header, body)

    def close(self) -> None:
        """At the end of the actor's thread."""
        with self._lock:
            self._closed = True
            if self._wake is not None:
                self._wake.close()
        if self._socket is not None:
            self._socket.close(0)
