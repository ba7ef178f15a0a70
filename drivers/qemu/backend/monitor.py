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

from embervirt.drivers.qemu.errors import MonitorError, MonitorLost, MonitorTimeout
from embervirt.drivers.root import sockets
from embervirt.errors import InternalError

T = TypeVar("T")
OnEvent = Callable[[dict[str, Any]], None]
OnClose = Callable[[Exception | None], None]

SCHEDULING = 5.0
"""Seconds granted to the loop's thread beyond a deadline that it keeps itself: more, and the thread hangs."""

QUIET = logging.getLogger("embervirt.qmp")
"""The client library's log: its errors reach our callers as exceptions, so a host that set up no logging
sees none here."""
QUIET.addHandler(logging.NullHandler())


class _Client(QMPClient):
    """``QMPClient`` that puts no message into a log, at any level: arguments carry secrets."""

    def __init__(self) -> None:
        super().__init__()
        self.logger = QUIET

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
        # With a factory the runner leaves the current event loop of this thread, the host's, alone.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._runner as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        await self._stop.wait()
        for monitor in list(self.monitors):
            monitor.shut()
        await asyncio.gather(*(asyncio.wrap_future(monitor.ended) for monitor in self.monitors))

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

    def _pass_on(self, event: Message) -> bool:
        # A listener keeps a history of all that it accepts, so it accepts nothing.
        self._on_event(dict(event))
        return False

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
        with contextlib.ExitStack() as undo:
            near = _reach(where)
            undo.callback(near.close)
            name = f"at {where}" if isinstance(where, Path) else "on a given socket"
            monitor = cls(loop, near, name, on_event)
            left = max(0.0, deadline - time.monotonic())
            begun = loop.start(monitor._begin, left, on_close)
            monitor._answer(begun, "connect", left, left + SCHEDULING)
            undo.pop_all()
        return monitor

    async def _begin(self, seconds: float, on_close: OnClose) -> None:
        self._loop.monitors.add(self)
        self.ended.add_done_callback(lambda _: self._loop.monitors.discard(self))
        try:
            async with asyncio.timeout(seconds):
                await self._client.connect(self._socket)
        except BaseException:
            self.ended.set_result(None)
            raise
        self._task = asyncio.create_task(self._live(on_close))

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
        call = self._loop.start(self._client.execute, command, arguments)
        return self._answer(call, command, timeout, timeout)

    def _answer(self, call: Future[T], what: str, allowed: float, patience: float) -> T:
        try:
            failure = call.exception(patience)
        except (CancelledError, TimeoutError) as unanswered:
            call.cancel()
            failure = unanswered
        if failure is None:
            return call.result()
        # Not chained: the client's exceptions hold the message that was sent.
        raise _explain(failure, what, self.name, allowed) from None

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
    if isinstance(where, socket.socket):
        where.setblocking(False)
        return where
    try:
        return sockets.connect(where)
    except OSError as error:
        raise MonitorLost(f"no QEMU answers at monitor socket {where}: {error.strerror or error}") from error


def _explain(failure: BaseException, what: str, monitor: str, seconds: float) -> BaseException:
    match failure:
        case ExecuteError():
            return MonitorError(what, failure.error_class, str(failure))
        case TimeoutError():
            return MonitorTimeout(f"monitor {monitor}: no answer to {what} within {seconds:g} s")
        case CancelledError():
            return MonitorLost(f"monitor {monitor}: its loop was closed during {what}")
        case QMPError() | OSError():
            return MonitorLost(f"monitor {monitor}: the connection ended during {what}: {failure}")
        case _:
            return failure
