"""A guest's monitor over any number of sessions: what fails is shown, and tried again; the guest goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from embervirt import world
from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.qemu.backend.protocol import Session
from embervirt.drivers.qemu.errors import GuestDegraded, MonitorLost, MonitorTimeout
from embervirt.drivers.qemu.face import Face
from embervirt.errors import OperationAborted

T = TypeVar("T")

SILENT = 0.5
"""Seconds without an answer after which a guest is shown as degraded; QEMU answers within a millisecond."""

RETRY = 1.0
"""Seconds between attempts to connect: where nobody listens, or hangs up."""

LAST_BREATH = 0.5
"""Seconds between the end of a monitor's connection and that of its process, when QEMU exits."""


class Link:
    """Used on the actor's thread only. ``gone`` is done when QEMU has ended.

    ``survey`` is work that asks QEMU how things are, at the beginning of each session and after a silence;
    ``hear`` gets QEMU's events, ``show`` what does not work and why. ``stale`` counts events of a session
    after which another one began. When the generation is given up its session is cut from outside: QEMU
    serves one client, and the next is the successor.
    """

    def __init__(
        self,
        actor: Actor,
        face: Face,
        gone: Future[None],
        *,
        survey: Callable[[], Work[None]],
        hear: Callable[[dict[str, Any]], None],
        show: Callable[[str], None],
    ) -> None:
        self._actor, self._face, self._gone = actor, face, gone
        self._survey, self._hear, self._show = survey, hear, show
        self._session: Session | None = None
        self._connecting: Future[Session] | None = None
        self._opening = self._silent = False
        self._sessions = self.stale = 0
        self._awaited: list[tuple[str, Future[dict[str, Any]]]] = []
        actor.resources.callback(self._close)
        actor.resources.enter_context(actor.on_cancel(self._cut))

    # Sessions.

    def callbacks(self) -> tuple[Callable[[dict[str, Any]], None], Callable[[Exception | None], None]]:
        """For the next session; both only post to the actor, if that has not been given up."""
        self._sessions += 1
        number, post, fence = self._sessions, self._actor.post, self._actor.context.fence

        def heard(event: dict[str, Any]) -> None:
            if not fence.refuses():
                post(partial(self._heard, number, event))

        return heard, lambda cause: post(partial(self._ended, number, cause))

    def _heard(self, number: int, event: dict[str, Any]) -> None:
        if number == self._sessions:
            self._hear(event)
            self._settle(event["event"], lambda awaited: awaited.set_result(event.get("data", {})))
        else:
            self.stale += 1
            self._actor.log.info("an event of an earlier session was dropped", name=event["event"])

    def hold(self, session: Session, path: Path) -> None:
        """The session that a start began, with ``callbacks``; the next is at ``path``."""
        self._session, self._path = session, path

    def open(self, path: Path) -> Work[None]:
        """Until there is a session and QEMU has answered."""
        self._path, self._opening = path, True
        while not self._gone.done():
            try:
                if self._session is None:
                    yield from self._connect()
                yield from self._survey()
            except (MonitorTimeout, OperationAborted) as silent:
                self._show(f"monitor: {silent.detail}")
            except (MonitorLost, GuestDegraded) as lost:
                self._session = None
                self._show(f"monitor: {lost.detail}")
                yield self._pause(RETRY)
            else:
                if self._session is not None:
                    break
        self._opening = self._silent = False

    def _connect(self) -> Work[None]:
        self._actor.context.fence.check()
        heard, ended = self.callbacks()
        connecting: Future[Any] = self._face.backend.connecting(self._path, on_event=heard, on_close=ended)
        self._connecting = connecting
        self._session = yield from self._patient(connecting, "greeting")
        self._connecting = None

    def _pause(self, seconds: float) -> Future[None]:
        over: Future[None] = Future()
        self._actor.inbox.at(world.monotonic() + seconds, partial(over.set_result, None))
        return over

    def _ended(self, number: int, cause: Exception | None) -> None:
        if number == self._sessions:
            self._session = None
            lost = MonitorLost("the session ended before QEMU told")
            self._settle(None, lambda awaited: awaited.set_exception(lost))
            if not self._opening:
                self._actor.work(self._again(cause))

    def _again(self, cause: Exception | None) -> Work[None]:
        """The end of a session is most often that of QEMU; if not, it is a fault of the monitor, no stop."""
        if not (yield self._actor.within(self._gone, LAST_BREATH)):
            self._show(f"monitor: the connection ended while QEMU runs: {cause or 'end of file'}")
            yield from self.open(self._path)

    def _cut(self) -> None:
        """From any thread, without waiting; this generation may hang."""
        connecting, session = self._connecting, self._session
        if connecting is not None and not connecting.cancel():
            connecting.add_done_callback(_cut)
        if session is not None:
            session.shut()

    def _close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting.add_done_callback(_discard)
        if self._session is not None:
            self._session.close()

    # Commands.

    @property
    def hears(self) -> bool:
        """Whether QEMU can be told anything, as far as is known."""
        return self._session is not None and not self._silent

    def ask(self, command: str, arguments: dict[str, Any] | None = None) -> Work[Any]:
        """What QEMU returns. Raises MonitorError, MonitorTimeout, MonitorLost, GuestDegraded (not sent)."""
        self._actor.context.fence.check()
        if self._session is None:
            raise GuestDegraded(f"QEMU's monitor is not connected; {command} was not sent")
        asked = self._session.submit(command, arguments, timeout=self._face.settings.qemu.qmp_timeout)
        try:
            return (yield from self._patient(asked, f"answer to {command}"))
        except MonitorTimeout as silent:
            self._doubt(silent.detail)
            raise
        except MonitorLost:
            self._silent = True  # that the session ended comes next
            raise

    def give(self, name: str, descriptor: int) -> Work[None]:
        """QEMU gets a descriptor under ``name``. Raises as ``ask``."""
        if self._session is None:
            raise GuestDegraded(f"QEMU's monitor is not connected; descriptor {name} was not sent")
        given = self._session.give(name, descriptor, timeout=self._face.settings.qemu.qmp_timeout)
        yield from self._patient(given, "answer to getfd")

    def next(self, event: str) -> Future[dict[str, Any]]:
        """The data of the next such event. MonitorLost when the session ends before."""
        awaited: Future[dict[str, Any]] = Future()
        self._awaited.append((event, awaited))
        return awaited

    def _settle(self, event: str | None, settle: Callable[[Future[dict[str, Any]]], None]) -> None:
        due = [each for each in self._awaited if event in (None, each[0])]
        self._awaited = [each for each in self._awaited if each not in due]
        for _, awaited in due:
            settle(awaited)

    def tell(self, command: str) -> None:
        """Send a command to whose answer nobody listens, if there is a session."""
        if self._session is not None:
            self._session.submit(command, timeout=None)

    def find_out(self, command: str, arguments: dict[str, Any] | None = None) -> Work[Any]:
        """What QEMU returns for a query, however long that takes; for ``survey``. Raises as ``ask``."""
        if self._session is None:
            raise MonitorLost(f"the session ended before {command}")
        asked = self._session.submit(command, arguments, timeout=None)
        return (yield from self._patient(asked, f"answer to {command}"))

    def _patient(self, future: Future[T], what: str) -> Work[T]:
        def look() -> None:
            if not future.done():
                self._doubt(f"no {what} for {SILENT:g} s")

        self._actor.inbox.at(world.monotonic() + SILENT, look)
        result: T = yield future
        return result

    def _doubt(self, why: str) -> None:
        """QEMU is silent: shown until it answers again, which is waited for beside everything else."""
        self._silent = True
        self._show(f"monitor: {why}")
        if self._session is not None and not self._opening:
            self._actor.work(self.open(self._path))


def _cut(connecting: Future[Session]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().shut()


def _discard(connecting: Future[Session]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()
