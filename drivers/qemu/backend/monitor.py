"""QMP for callers that wait: ``QMPClient`` on one asyncio thread, a deadline on every call.

One ``MonitorLoop`` carries the monitors of a root; their callers are ordinary threads. No call waits for
ever: it ends by answer, by time-out, or at once when the connection or the loop ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from qemu.qmp import QMPClient, QMPError
from qemu.qmp.message import Message
from qemu.qmp.protocol import Runstate
from qemu.qmp.qmp_client import ExecuteError

from embervirt import faults, world
from embervirt.drivers.qemu.errors import MonitorError, MonitorLost, MonitorTimeout
from embervirt.drivers.root import sockets
from embervirt.errors import InternalError

T = TypeVar("T")
OnEvent = Callable[[dict[str, Any]], None]
OnClose = Callable[[Exception | None], None]

BUFFER = 1 << 15
"""Bytes of a message that are read at once."""

SCHEDULING = 5.0
"""Seconds granted to the loop's thread beyond a deadline that it keeps itself: more, and the thread hangs."""

QUIET = logging.getLogger("embervirt.qmp")
"""The client library's log: its errors reach our callers as exceptions, so a host that set up no logging
sees none here."""
QUIET.addHandler(logging.NullHandler())


class _Client(QMPClient):
    """``QMPClient`` that puts no message into a log, at any level: arguments carry secrets.

    ``strays`` counts answers to nobody: late ones, and those with an id that was never sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.logger = QUIET
        self.strays = 0
        # QEMU may answer a command of the session before in this one: their ids must differ.
        self._execute_id = int.from_bytes(world.token_bytes(5))

    async def connect(self, *where: Any) -> None:
        """At its end the client asserts that the session goes on: not that of a QEMU that was killed then."""
        try:
            await super().connect(*where)
        except AssertionError:
            await asyncio.gather(self.disconnect(), return_exceptions=True)
            raise ConnectionResetError("it was closed at once") from None

    async def _do_connect(self, *where: Any) -> None:
        """The transport takes what comes in buffers of 256 KiB; as with files, smaller ones do."""
        await super()._do_connect(*where)
        assert self._writer is not None
        self._writer.transport.max_size = BUFFER  # type: ignore[attr-defined]

    async def _on_message(self, msg: Message) -> None:
        self.strays += "event" not in msg and msg.get("id") not in self._pending
        await super()._on_message(msg)

    def _cb_outbound(self, msg: Message) -> Message:
        return msg

    def _cb_inbound(self, msg: Message) -> Message:
        return msg


_LOOPS: weakref.WeakSet[MonitorLoop] = weakref.WeakSet()


def _close_in_child() -> None:
    """QEMU serves one client at a time: a copy of the connection would keep it from the next owner."""
    for monitor in [monitor for loop in _LOOPS for monitor in loop.monitors]:
        monitor.close_in_child()


os.register_at_fork(after_in_child=_close_in_child)


class MonitorLoop:
    """The thread that carries every monitor of a root. Close it, or use it in a ``with``."""

    def __init__(self, name: str = "embervirt-monitors") -> None:
        self.monitors: set[Monitor] = set()
        _LOOPS.add(self)
        self._lock = threading.Lock()
        self._open = True
        self._stop = asyncio.Event()
        # With a factory the runner leaves the current event loop of this thread, the host's, alone; a policy
        # that the host has for its loops is not for this one.
        self._runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
        self._loop = self._runner.get_loop()
        self._thread = world.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._runner as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        await self._stop.wait()
        for monitor in list(self.monitors):
            monitor.shut()
        if self.monitors:  # one that does not end, somebody closed its socket say, is cancelled after that
            endings = [asyncio.wrap_future(monitor.ended) for monitor in self.monitors]
            await asyncio.wait(endings, timeout=SCHEDULING)

    def start(self, work: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> Future[T]:
        """Runs ``work(*arguments)`` on the loop. MonitorLost once closed, InternalError on its own thread."""
        if self.is_current():
            raise InternalError("a callback of a monitor must not wait for a monitor: they share the thread")
        with self._lock:
            if not self._open:
                raise MonitorLost("the loop of the monitors is closed, as its root is")
            return asyncio.run_coroutine_threadsafe(work(*arguments), self._loop)

    def is_current(self) -> bool:
        """Whether the caller runs on the loop's own thread, which must never wait for itself."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Ends every monitor and every call in flight, then the thread. May be repeated."""
        with self._lock:
            first, self._open = self._open, False
        if first:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> MonitorLoop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


class Monitor:
    """One QMP session past its greeting, for any thread. Made by ``connect``, over when ``ended`` is done."""

    def __init__(self, loop: MonitorLoop, near: socket.socket, name: str, on_event: OnEvent) -> None:
        self.name = name
        self.ended: Future[None] = Future()
        self._loop = loop
        self._socket = near
        self._closed = False
        self._client = _Client()
        self._client.events.event_filter = self._pass_on
        self._on_event = on_event

    @property
    def strays(self) -> int:
        """How many answers came that nobody waited for; they were dropped."""
        return self._client.strays

    def _pass_on(self, event: Message) -> bool:
        # A listener keeps a history of all that it accepts, so it accepts nothing.
        if not faults.armed or faults.hit(
            "qmp.event",
            event=event["event"],
            again=lambda: self._on_event(dict(event)),
            **self._in_hand,
        ):
            self._on_event(dict(event))
        return False

    @property
    def _in_hand(self) -> dict[str, object]:
        """For fault points."""
        return {"monitor": self.name, "session": self}

    @classmethod
    def connect(
        cls,
        loop: MonitorLoop,
        where: Path | socket.socket,
        deadline: float,
        on_event: OnEvent,
        on_close: OnClose,
    ) -> Monitor:
        """A session with the QMP server at a path, or at the far end of a socket, which it then owns.

        ``deadline`` is on ``time.monotonic``. ``on_event`` gets each event as QEMU sent it (``event``,
        ``data``, ``timestamp``), ``on_close`` once the cause of the end, None after ``close``. Both run on
        the loop's thread, perhaps before this returns, and must be quick. What ``on_event`` raises ends
        the session and is its cause.

        Raises MonitorTimeout when nobody greeted by the deadline; MonitorLost when nobody listens, or the
        far end hangs up or is no QMP server. ``on_close`` is not called then.
        """
        left = max(0.0, deadline - time.monotonic())
        return answer(cls.connecting(loop, where, on_event, on_close, left), "connect", str(where), left)

    @classmethod
    def connecting(
        cls,
        loop: MonitorLoop,
        where: Path | socket.socket,
        on_event: OnEvent,
        on_close: OnClose,
        seconds: float | None = None,
    ) -> Future[Monitor]:
        """As ``connect``, without waiting for the greeting, which may take ``seconds``, or for ever (None).

        Raises MonitorLost when nobody listens. Who loses interest cancels the future.
        """
        with contextlib.ExitStack() as undo:
            near = _reach(where)
            undo.callback(near.close)
            name = f"at {where}" if isinstance(where, Path) else "on a given socket"
            monitor = cls(loop, near, name, on_event)
            begun = loop.start(monitor._begin, seconds, on_close)
            undo.pop_all()
        return begun

    async def _begin(self, seconds: float | None, on_close: OnClose) -> Monitor:
        self._loop.monitors.add(self)
        self.ended.add_done_callback(lambda _: self._loop.monitors.discard(self))
        try:
            await _explained(self._client.connect(self._socket), "connect", self.name, seconds)
        except BaseException:
            self.ended.set_result(None)
            self._socket.close()
            raise
        self._task = asyncio.create_task(self._live(on_close))
        return self

    async def _live(self, on_close: OnClose) -> None:
        while self._client.runstate is Runstate.RUNNING:
            await self._client.runstate_changed()
        # The client raises here whatever ended its reader.
        [cause] = await asyncio.gather(self._client.disconnect(), return_exceptions=True)
        try:
            on_close(None if self._closed or not isinstance(cause, Exception) else cause)
        finally:
            self.ended.set_result(None)

    def execute(self, command: str, arguments: Mapping[str, Any] | None = None, *, timeout: float) -> Any:
        """What QEMU returns for ``command``, within ``timeout`` seconds.

        Raises MonitorError when QEMU refuses; MonitorTimeout and MonitorLost when there is no answer and
        the command may have been executed all the same; TypeError for arguments that are no JSON.
        """
        return answer(self.submit(command, arguments, timeout=timeout), command, self.name, timeout)

    def submit(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, timeout: float | None
    ) -> Future[Any]:
        """As ``execute``, without waiting; ``timeout`` None: for as long as the session lasts."""
        if faults.armed and not faults.hit("qmp.sent", command=command, **self._in_hand):
            return self._loop.start(self._unanswered, command, timeout)
        return self._loop.start(self._execute, command, arguments, timeout)

    def give(self, name: str, descriptor: int, *, timeout: float) -> Future[Any]:
        """QEMU gets ``descriptor`` under a name (``getfd``); the caller may close it when that is done."""
        return self._loop.start(self._give, name, descriptor, timeout)

    async def _give(self, name: str, descriptor: int, seconds: float) -> object:
        try:
            self._client.send_fd_scm(descriptor)
        except OSError as failure:
            raise _explain(failure, "getfd", self.name, seconds) from failure
        return await self._execute("getfd", {"fdname": name}, seconds)

    async def _execute(
        self, command: str, arguments: Mapping[str, Any] | None, seconds: float | None
    ) -> object:
        asked = self._client.execute(command, dict(arguments) if arguments else None)
        found = await _explained(asked, command, self.name, seconds)
        if faults.armed and not faults.hit("qmp.answered", command=command, **self._in_hand):
            await self._unanswered(command, seconds)
        return found

    async def _unanswered(self, command: str, seconds: float | None) -> object:
        """How a command fares that a fault point lost."""
        return await _explained(self._end(), command, self.name, seconds)

    async def _end(self) -> object:
        await asyncio.shield(asyncio.wrap_future(self.ended))
        raise ConnectionResetError("it was closed")

    def shut(self) -> None:
        """Cuts the connection at once, whatever the loop's thread does; the rest of the end follows."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the session; QEMU goes on. Calls in flight end with MonitorLost. May be repeated.

        Returns when ``on_close`` has returned; on the loop's own thread, at once.
        """
        self._closed = True
        self.shut()
        if not self._loop.is_current():
            self.ended.result(SCHEDULING)

    def close_in_child(self) -> None:
        """In a forked child: let go, and do not shut down, for the connection is the parent's."""
        self._socket.close()


def _reach(where: Path | socket.socket) -> socket.socket:
    try:
        if faults.armed:
            faults.hit("qmp.connecting", monitor=str(where) if isinstance(where, Path) else "given")
        if isinstance(where, socket.socket):
            where.setblocking(False)
            return where
        return sockets.connect(where)
    except OSError as error:
        raise MonitorLost(f"no QEMU answers at monitor socket {where}: {error.strerror or error}") from error


def answer(call: Future[T], what: str, monitor: str, seconds: float) -> T:
    """Its result; the loop's thread keeps the time, and is given ``SCHEDULING`` more."""
    try:
        return call.result(seconds + SCHEDULING)
    except CancelledError:
        raise MonitorLost(f"monitor {monitor}: its loop was closed during {what}") from None
    except TimeoutError:
        call.cancel()
        raise MonitorTimeout(f"monitor {monitor}: no answer to {what} within {seconds:g} s") from None


async def _explained(work: Coroutine[Any, Any, T], what: str, monitor: str, seconds: float | None) -> T:
    """The client's exceptions as ours; not chained, for they hold the message that was sent."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except (QMPError, OSError, TimeoutError) as failure:
        explained = _explain(failure, what, monitor, seconds)
    raise explained


def _explain(failure: Exception, what: str, monitor: str, seconds: float | None) -> Exception:
    match failure:
        case ExecuteError():
            return MonitorError(what, failure.error_class, str(failure))
        case TimeoutError():
            return MonitorTimeout(f"monitor {monitor}: no answer to {what} within {seconds:g} s")
        case _:
            return MonitorLost(f"monitor {monitor}: the connection ended during {what}: {failure}")
