"""What became of each operation of several steps: intent, marks and result, on disk before they count.

A line of JSON each, in one file that all actors of the root append to. After a crash an operation without a
result is *open*, and its owner finds out whether it happened, completes it or undoes it (SUPERVISION 3.9).
Nothing here is synced: what these operations change, QEMU processes, does not survive what a sync guards
against.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

import msgspec

from embervirt import disk, faults, world
from embervirt.drivers.root.errors import FileRefused
from embervirt.drivers.root.files import Fence, explained, lines, write
from embervirt.errors import (
    InvalidArgument,
    OperationAborted,
    OperationInvalid,
    OutcomeUnknown,
    SystemError_,
    libvirtError,
)
from embervirt.errors import OperationTimeout as Unanswered
from embervirt.log import get_logger

State = Literal["open", "done", "undone", "failed"]
KEPT = 1000
"""Operations with a result that are remembered."""

LINES = 10 * KEPT
"""After which the file is written anew."""


AT_ONCE = 32
"""Lines that are written in one piece then."""


class Mark(msgspec.Struct, frozen=True):
    """A step that was made. ``at``: Unix time in seconds."""

    step: str
    at: float


class Operation(msgspec.Struct, frozen=True):
    """``what`` was done to ``subject`` (a UUID); ``plan`` is all that completing or undoing it needs.

    ``state``: ``open`` while it runs, or when nobody has found out yet; ``done``; ``undone``: nothing of it
    is left; ``failed``: with ``error``, and what it changed before that was put back.
    """

    id: str
    what: str
    subject: str
    plan: dict[str, Any]
    at: float
    state: State = "open"
    error: str = ""
    marks: tuple[Mark, ...] = ()

    @property
    def steps(self) -> list[str]:
        """The steps that were made."""
        return [mark.step for mark in self.marks]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: an ``intent``, a ``mark``, or a ``result`` of operation ``id``."""

    id: str
    intent: Operation | None = None
    mark: Mark | None = None
    result: tuple[State, str] | None = None

    def after(self, known: Operation | None) -> Operation | None:
        """The operation with this line."""
        if known is None or self.intent is not None:
            return self.intent
        if self.mark is not None:
            return msgspec.structs.replace(known, marks=(*known.marks, self.mark))
        if self.result is not None and known.state == "open":
            return msgspec.structs.replace(known, state=self.result[0], error=self.result[1])
        return known


class Journal:
    """Of one root; for any thread. ``close`` it after all actors.

    An intent that cannot be written is refused. A mark or a result tells what has happened already: it
    counts, and is owed to the file until that can be written again; if the agent dies before, the operation
    is open, and its owner finds out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = world.Lock()
        self._known: dict[str, Operation] = {}
        self._open: dict[str, Operation] = {}
        self._ended: deque[str] = deque()
        self._cancelled: set[str] = set()
        self._owed: list[bytes] = []
        self._written, self._torn = LINES, True
        self._file: disk.File | None = None
        for line in _lines(path):
            self._take(line)
        self._shorten()

    def _take(self, line: Line) -> None:
        before = self._known.get(line.id)
        known = line.after(before)
        if known is None:
            return
        self._known[line.id] = known
        if known.state == "open":
            self._open[line.id] = known
            return
        self._open.pop(line.id, None)
        if before is None or before.state == "open":
            self._remember(line.id)

    def _remember(self, id_: str) -> None:
        """One more that has ended: the first of too many is forgotten."""
        self._ended.append(id_)
        if len(self._ended) > KEPT:
            first = self._ended.popleft()
            if first not in self._open:
                self._known.pop(first, None)

    # The file.

    def _shorten(self) -> None:
        """Write it anew without what need not be remembered; if that fails, the old one goes on."""
        try:
            write(self._path, _portions(self.values()), durable=False)
        except SystemError_ as error:
            if self._file is None and not self._path.exists():
                raise
            get_logger().warning("the journal of operations cannot be shortened", error=str(error))
            self._reopen(written=0, torn=True)
        else:
            self._owed.clear()
            self._reopen(written=len(self._known), torn=False)

    def _reopen(self, *, written: int, torn: bool) -> None:
        with explained("open", self._path):
            opened = disk.append_to(self._path)
        self.close()
        self._file, self._written, self._torn = opened, written, torn

    def _append(self, line: Line, fence: Fence | None) -> None:
        """Into the file, then into memory. Raises SystemError_; the file may then have a torn line."""
        with self._lock, _guard(fence):
            self._write(_text(line))
            self._take(line)

    def _append_or_owe(self, line: Line, fence: Fence | None) -> None:
        with self._lock, _guard(fence):
            try:
                self._write(_text(line))
            except SystemError_ as error:
                self._owed.append(_text(line))
                get_logger().error("the journal of operations cannot be written", error=str(error))
            self._take(line)

    def _write(self, text: bytes) -> None:
        if self._written >= LINES:
            self._shorten()
        with explained("write", self._path):
            while self._owed:
                self._write_line(self._owed[0])
                self._owed.pop(0)
            self._write_line(text)

    def _write_line(self, text: bytes) -> None:
        assert self._file is not None
        whole = b"\n" + text if self._torn else text
        self._torn = True  # until all of it is written
        if disk.write(self._file, whole) != len(whole):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False
        self._written += 1

    # Operations.

    def begin(
        self, id_: str, what: str, subject: str, plan: dict[str, Any], fence: Fence | None = None
    ) -> Operating:
        """Write the intent. Raises SystemError_ when that cannot be written: then do nothing."""
        if faults.armed:
            faults.hit("journal.intent", what=what, subject=subject)
        self._append(Line(id_, intent=Operation(id_, what, subject, plan, world.wall())), fence)
        return Operating(self, id_, fence)

    def mark(self, id_: str, step: str, fence: Fence | None) -> None:
        """A step was made."""
        if faults.armed:
            faults.hit("journal.mark", step=step)
        self._append_or_owe(Line(id_, mark=Mark(step, world.wall())), fence)

    def end(self, id_: str, state: State, error: str = "", fence: Fence | None = None) -> None:
        """The result, once; a later one is ignored."""
        if id_ not in self._open:
            return
        if faults.armed:
            faults.hit("journal.result", state=state)
        self._cancelled.discard(id_)
        self._append_or_owe(Line(id_, result=(state, error)), fence)

    def get(self, id_: str) -> Operation:
        """What is known of an operation. Raises InvalidArgument for one that is not known."""
        known = self.find(id_)
        if known is None:
            raise InvalidArgument(f"operation {id_!r} is not one of the last {KEPT} that changed something")
        return known

    def find(self, id_: str) -> Operation | None:
        """What is known of an operation, if anything."""
        return self._known.get(id_)

    def values(self) -> list[Operation]:
        """All that are known, the oldest first."""
        return list(self._known.values())

    def open(self, subject: str | None = None) -> list[Operation]:
        """Those without a result, of all or of one subject."""
        return [each for each in list(self._open.values()) if subject in (None, each.subject)]

    def cancel(self, id_: str) -> None:
        """Ask an operation to stop before its next step. Raises OperationInvalid when it is over."""
        known = self.get(id_)
        if known.state != "open":
            raise OperationInvalid(f"too late to cancel operation {id_}: it is {known.state}")
        self._cancelled.add(id_)

    def forestall(self, id_: str) -> None:
        """The same of one that may not have begun: it stops before its first step."""
        self._cancelled.add(id_)

    def check(self, id_: str) -> None:
        """Raises OperationAborted when the operation was cancelled."""
        if id_ in self._cancelled:
            raise OperationAborted(f"operation {id_} was cancelled")

    def close(self) -> None:
        """May be repeated."""
        closed, self._file = self._file, None
        if closed is not None:
            disk.close(closed)


class Operating:
    """An operation under way, in the hand of who does it.

    As a context: an error of the tree is its result, ``failed``, but when nobody knows whether it happened
    it stays open, as it does after a crash, until its owner finds out.
    """

    def __init__(self, journal: Journal, id_: str, fence: Fence | None) -> None:
        self._journal, self.id, self._fence = journal, id_, fence

    def mark(self, step: str) -> None:
        """A step was made. Raises OperationAborted when the operation was cancelled meanwhile."""
        self._journal.mark(self.id, step, self._fence)
        self._journal.check(self.id)

    def end(self, state: State, error: str = "") -> None:
        """The result."""
        self._journal.end(self.id, state, error, self._fence)

    def __enter__(self) -> Operating:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.end("done")
        elif isinstance(error, libvirtError) and not isinstance(error, OutcomeUnknown | Unanswered):
            self.end("failed", str(error))


def _guard(fence: Fence | None) -> AbstractContextManager[None]:
    return nullcontext() if fence is None else fence.guard()


def _lines(path: Path) -> Iterator[Line]:
    """What can be read of the file; a torn line was never acted upon."""
    for text in _content(path):
        with contextlib.suppress(msgspec.MsgspecError):
            yield msgspec.json.decode(text, type=Line)


def _content(path: Path) -> Iterator[bytes]:
    """What is no journal is set aside for whoever looks into it: no operation is known then."""
    if not os.path.lexists(path):
        return
    try:
        yield from lines(path)
    except FileRefused as error:
        with explained("rename", path):
            aside = disk.set_aside(path)
        get_logger().error("the journal of operations is not usable", error=str(error), now=str(aside))


def _portions(operations: list[Operation]) -> Iterator[bytes]:
    """Their lines, some at a time: a whole file in memory, on whichever thread, is what malloc keeps then."""
    for n in range(0, len(operations), AT_ONCE):
        yield b"".join(_text(Line(each.id, intent=each)) for each in operations[n : n + AT_ONCE])


def _text(line: Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"
