"""A connection to a libvirtd, used on threads of its own: one that hangs keeps a thread, and nobody else.

A thread that waits for a libvirtd which does not answer cannot be ended. So there are at most ``THREADS``,
they are daemons, and what is asked meanwhile waits for its turn or its deadline. They go on when libvirtd
does, or when it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from embervirt import world
from embervirt.drivers.libvirtd.library import library, meant
from embervirt.errors import libvirtError
from embervirt.log import get_logger

THREADS = 4
ENDING = 1.0
"""Seconds that a close waits for what is being asked."""

Operation = Callable[[Any], Any]
"""Given the virConnect of libvirt-python. It may be done twice, so twice must be as good as once."""


class Asked:
    """One operation. ``undo``: of a result that nobody waits for any more."""

    def __init__(self, operation: Operation, undo: Operation | None) -> None:
        self.operation, self._undo = operation, undo
        self.future: Future[Any] = Future()
        self._lock = world.Lock()
        self._given_up = False

    def give_up(self) -> bool:
        """Nobody waits for it any more; whether it had no result yet. What was not begun will not be."""
        with self._lock:
            self._given_up = True
            return self.future.cancel() or not self.future.done()

    def answer(self, conn: Any, result: Any) -> None:
        """By the thread that did it."""
        with self._lock:
            wanted = not self._given_up
            self.future.set_result(result)
        if not wanted and self._undo is not None:
            self._undo(conn)


class Libvirtd:
    """The one at ``uri``; ``leaves``: classes of a driver's errors by libvirt's number. For any thread.

    It is connected to when it is first asked, and again when that connection was lost.
    """

    def __init__(self, uri: str, leaves: Mapping[int, type[libvirtError]]) -> None:
        self.uri, self._leaves = uri, leaves
        self._library = library(uri)
        self._log = get_logger(libvirtd=uri)
        self._queue: Any = world.SimpleQueue()
        self._lock, self._opening = world.Lock(), world.Lock()
        self._threads: list[Any] = []
        self._outstanding = 0
        self._conn: Any = None

    def begin(self, operation: Operation, undo: Operation | None = None) -> Asked:
        """Have ``operation`` done; never waits. Its future raises an error of the tree."""
        asked = Asked(operation, undo)
        with self._lock:
            self._outstanding += 1
            if len(self._threads) < min(self._outstanding, THREADS):
                thread = world.Thread(target=self._work, name="embervirt-libvirtd", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._queue.put(asked)
        return asked

    def close(self) -> None:
        """Nothing is begun any more; a thread that waits for libvirtd is left to it."""
        for _ in self._threads:
            self._queue.put(None)
        until = world.monotonic() + ENDING
        for each in self._threads:
            each.join(max(0.0, until - world.monotonic()))
        if any(each.is_alive() for each in self._threads):
            self._log.warning("libvirtd does not answer: its connection stays until it does")
        elif self._conn is not None:
            self._conn.close()

    # On its threads.

    def _work(self) -> None:
        while (asked := self._queue.get()) is not None:
            if asked.future.set_running_or_notify_cancel():
                self._do(asked)
            with self._lock:
                self._outstanding -= 1

    def _do(self, asked: Asked) -> None:
        try:
            conn, result = self._done(asked.operation)
        except libvirtError as error:
            asked.future.set_exception(error)
        except self._library.libvirtError as error:
            lost = self._conn is None or not self._conn.isAlive()
            asked.future.set_exception(meant(error, self.uri, self._leaves, lost=lost))
        except BaseException as error:  # noqa: BLE001 - whoever asked is to crash, not this thread
            asked.future.set_exception(error)
        else:
            self._answer(asked, conn, result)

    def _answer(self, asked: Asked, conn: Any, result: Any) -> None:
        try:
            asked.answer(conn, result)
        except self._library.libvirtError as error:
            self._log.warning("what came too late could not be undone", error=str(error))

    def _done(self, operation: Operation) -> tuple[Any, Any]:
        """Once more on a new connection, if the one that was there is lost: libvirtd started anew, say."""
        conn, known = self._connection()
        try:
            return conn, operation(conn)
        except self._library.libvirtError:
            if not known or conn.isAlive():
                raise
            self._log.info("connection to libvirtd was lost; connecting again")
        conn, _ = self._connection()
        return conn, operation(conn)

    def _connection(self) -> tuple[Any, bool]:
        """One that is alive, as far as is known, and whether it was there."""
        with self._opening:
            if self._conn is not None and self._conn.isAlive():
                return self._conn, True
            self._conn = self._library.open(self.uri)
            return self._conn, False
