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
    ``hear`` gets QEMU's events, ``show`` what does not work and why, or nothing once all does.
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
        self._connecting: Future[Any] | None = None
        self._opening = False
        self._sessions = 0
        actor.resources.callback(self._close)

    # Sessions.

    def callbacks(self) -> tuple[Callable[[dict[str, Any]], None], Callable[[Exception | None], None]]:
        """For the next session; both only post to the actor."""
        self._sessions += 1
        number, post = self._sessions, self._actor.post
        return (
            lambda event: post(partial(self._hear, event)),
            lambda cause: post(partial(self._ended, number, cause)),
        )

    def hold(self, session: Session, path: Path) -> None:
        """The session that a start began, with ``callbacks``; the next is at ``path``."""
        self._session, self._path = session, path

    def open(self, path: Path) -> Work[None]:
        """Until there is a session and QEMU has answered."""
        self._path, self._opening = path, True
        while not self._gone.done():
            try:
                if self._session is None:
                    self._session = yield from self._connect()
                yield from self._survey()
                break
            except MonitorLost as lost:
                self._session = None
                self._show(f"monitor: {lost.detail}")
                yield self._actor.within(self._gone, RETRY)
        self._opening = False

    def _connect(self) -> Work[Session]:
        heard, ended = self.callbacks()
        connecting: Future[Any] = self._face.backend.connecting(
            self._path, on_event=heard, on_close=ended
        )
        self._connecting = connecting
        session: Session = yield from self._patient(connecting, "greeting")
        self._connecting = None
        return session

    def _ended(self, number: int, cause: Exception | None) -> None:
        if number == self._sessions and self._session is not None and not self._opening:
            self._session = None
            self._actor.work(self._again(cause))

    def _again(self, cause: Exception | None) -> Work[None]:
        """The end of a session is most often that of QEMU; if not, it is a fault of the monitor, no stop."""
        if not (yield self._actor.within(self._gone, LAST_BREATH)):
            self._show(f"monitor: the connection ended while QEMU runs: {cause or 'end of file'}")
            yield from self.open(self._path)

    def _close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting.add_done_callback(_discard)
        if self._session is not None:
            self._session.close()

    # Commands.

    def ask(self, command: str, arguments: dict[str, Any] | None = None) -> Work[Any]:
        """What QEMU returns. Raises MonitorError, MonitorTimeout, MonitorLost, GuestDegraded (not sent)."""
        if self._session is None:
            raise GuestDegraded(f"QEMU's monitor is not connected; {command} was not sent")
        try:
            seconds = self._face.settings.qemu.qmp_timeout
            return (yield self._session.submit(command, arguments, timeout=seconds))
        except MonitorTimeout as silent:
            self._show(f"monitor: {silent.detail}")
            if not self._opening:
                self._actor.work(self.open(self._path))
            raise

    def tell(self, command: str) -> None:
        """Send a command to whose answer nobody listens, if there is a session."""
        if self._session is not None:
            self._session.submit(command, timeout=None)

    def find_out(self, command: str) -> Work[Any]:
        """What QEMU returns for a query, however long that takes; for ``survey``. Raises as ``ask``."""
        if self._session is None:
            raise MonitorLost(f"the session ended before {command}")
        asked = self._session.submit(command, timeout=None)
        return (yield from self._patient(asked, f"answer to {command}"))

    def _patient(self, future: Future[T], what: str) -> Work[T]:
        def look() -> None:
            if not future.done():
                self._show(f"monitor: no {what} for {SILENT:g} s")

        self._actor.inbox.at(world.monotonic() + SILENT, look)
        result: T = yield future
        return result


def _discard(connecting: Future[Any]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()
