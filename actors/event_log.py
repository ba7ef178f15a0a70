"""The events actor: numbers what happened, keeps it in a journal, sends it to every subscriber once.

Events wait in the bus's outbox until they are in the journal, so the death of this actor loses none;
its successor goes on from the last number in the journal. The journal is JSON, a line an event.

While the journal cannot be written (the disk is full, say) events go on to wait, this actor is shown as
degraded, and tries again. What happens meanwhile happens: it is told late, not forbidden.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from itertools import islice
from pathlib import Path

import msgspec
import zmq

from embervirt import disk, faults, world
from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.bus import Bus, Drain
from embervirt.actors.exchange import PUBLISH, socket
from embervirt.actors.messages import Event, Numbered, Request
from embervirt.log import get_logger

EVENT = b"event"
MARK = b"mark"
FIRST_RETRY, LAST_RETRY = 0.1, 30.0
"""Seconds until a journal that could not be written is tried again; twice as long each time."""

LARGEST = 1 << 28
"""Bytes of a journal: many more than the events of any setting take."""

WAITING = 100_000
"""Events that may wait for it. Beyond, the oldest are lost: their numbers stay, a gap that is told."""


class Journal(msgspec.Struct, frozen=True):
    """Events ``first`` and later that the journal still has, each as its JSON line."""

    first: int
    lines: list[bytes]


class Since(Request[Journal], frozen=True):
    """The journal from number ``seq`` on, at most ``most`` events of it."""

    safe = True
    seq: int
    most: int | None = None


class Mark(Request[int], frozen=True):
    """Send ``nonce`` to all subscribers, after everything published so far; replies the last number."""

    nonce: bytes


def settle(path: Path, bus: Bus) -> None:
    """At the end of a root: write down what still waits, for its events actor may have been down just then.

    Nobody is left to hear it; who asks for the events since some number will. What cannot be written is lost,
    and said to be.
    """
    if not bus.outbox:
        return
    try:
        content = disk.read(path, LARGEST) if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        seq = max(bus.published, _last(whole)) + bus.lost
        lines = [_line(seq + n, *each)[1] for n, each in enumerate(bus.outbox, 1)]
        _append(path, len(whole), b"".join(line + b"\n" for line in lines))
    except OSError as error:
        get_logger().error("events are lost", events=len(bus.outbox), journal=str(path), error=str(error))


def _last(whole: bytes) -> int:
    """The number in the last line; 0 when there is none, or a failing disk spoilt it."""
    try:
        return msgspec.json.decode(whole.splitlines()[-1], type=Numbered).seq
    except (IndexError, msgspec.MsgspecError):
        return 0


def _append(path: Path, size: int, content: bytes) -> None:
    """At ``size``: what is behind it is a part of a line that could not be written."""
    file = disk.append_to(path) if path.exists() else disk.create(path)
    try:
        disk.truncate(file, size)
        disk.write_all(file, content)
    finally:
        disk.close(file)


def _line(seq: int, id_: str, event: Event) -> tuple[Numbered, bytes]:
    body = msgspec.Raw(msgspec.json.encode(event))
    numbered = Numbered(seq, world.wall(), id_, event.kind, body)
    return numbered, msgspec.json.encode(numbered)


class EventLog(Actor):
    """``keep``: how many events the journal holds at least (twice as many at most)."""

    def __init__(self, context: Context, path: Path, keep: int) -> None:
        super().__init__(context)
        self._path, self._keep = path, keep
        self._lines: deque[tuple[int, bytes]] = deque()
        self._longest = 2 * keep
        self._seq = self._size = 0
        self._file: disk.File | None = None
        self._retry = 0.0

    def setup(self) -> None:
        """Read the journal back, without a torn last line, send the last event again, publish what waits.

        Again, because the predecessor may have died between the journal and the subscribers, who know what
        they have seen by its number.
        """
        self._load()
        self.resources.callback(self._close)
        self.resources.callback(self._forget)
        self._out = self.resources.enter_context(socket(self.bus.context, zmq.PUSH))
        self._out.connect(PUBLISH)
        self.bus.published = self._seq
        if self._lines:
            self._out.send_multipart([EVENT, self._lines[-1][1]])
        self._write()

    def teardown(self) -> None:
        """What was published before the stop is told while somebody hears it, if it can be kept."""
        self._write()

    def _forget(self) -> None:
        """A generation that has ended is garbage in cycles, which may lie there for long."""
        self._lines = deque()

    def _load(self) -> None:
        text = self._content()
        whole = text[: text.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._read(line)
        self._size = len(whole)

    def _content(self) -> bytes:
        """What is no journal is set aside for whoever looks into it; numbers begin anew then."""
        try:
            return disk.read(self._path, LARGEST)
        except FileNotFoundError:
            return b""
        except disk.UnusableError as error:
            with self.context.fence.guard():
                aside = disk.set_aside(self._path)
            self.log.error("the journal of events is not usable", error=str(error), now=str(aside))
            return b""

    def _read(self, line: bytes) -> None:
        """A line that a failing disk spoilt is a gap, which subscribers are told of."""
        try:
            numbered = msgspec.json.decode(line, type=Numbered)
        except msgspec.MsgspecError as error:
            where = {"journal": str(self._path), "after": self._seq}
            self.log.error("unreadable event", **where, error=str(error))
            return
        self._seq = numbered.seq
        self._lines.append((numbered.seq, line))

    # The file.

    @property
    def _staged(self) -> Path:
        return self._path.with_suffix(".new")

    def _opened(self) -> disk.File:
        """The journal as long as it should be: a write that failed may have left a part of a line."""
        if self._file is None:
            with self.context.fence.guard():
                disk.unlink(self._staged, missing_ok=True)
                made = not self._path.exists()
                self._file = disk.create(self._path) if made else disk.append_to(self._path)
                found = os.fstat(self._file.descriptor).st_size
                self._size = min(found, self._size)
                if found != self._size:
                    disk.truncate(self._file, self._size)
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            disk.close(self._file)
        self._file = None

    def _replace(self, content: bytes) -> None:
        with self.context.fence.guard():
            disk.unlink(self._staged, missing_ok=True)
            staged = disk.create(self._staged, target=self._path)
            try:
                disk.write_all(staged, content)
            finally:
                disk.close(staged)
            disk.rename(self._staged, self._path)
        self._close()
        self._size = len(content)

    # Events.

    @handles(Drain)
    def drain(self, _: Drain) -> None:
        """Number, write and send all that waits in the outbox."""
        if self._retry:
            self._bound()
        else:
            self._write()

    def _write(self) -> None:
        while True:
            try:
                self._opened()
                line = self._publish(*self.bus.outbox[0]) if self.bus.outbox else None
            except OSError as error:
                self._degrade(error)
                return
            if line is None:
                self._recover()
                return
            self._tell(line)

    def _degrade(self, error: OSError) -> None:
        """Once in the log, until it is over; in the tree all the time."""
        why = f"cannot write '{self._path}': {error.strerror or error}; events wait until that works"
        if not self._retry:
            self.log.error("degraded", why=why)
        self.bus.degraded[self.context.name] = why
        self._close()
        self._retry = min(max(FIRST_RETRY, 2 * self._retry), LAST_RETRY)
        self.inbox.alarm(world.monotonic() + self._retry, self._write)
        self._bound()

    def _recover(self) -> None:
        if self.bus.degraded.pop(self.context.name, None):
            self.log.info("no longer degraded: the journal of events can be written")
        self._retry = 0.0

    def _bound(self) -> None:
        with self.context.fence.guard():
            while len(self.bus.outbox) > WAITING:
                self.bus.outbox.popleft()
                self.bus.lost += 1

    def _publish(self, id_: str, event: Event) -> bytes:
        """Number it and write it down; the line is for subscribers."""
        numbered, line = _line(self._seq + self.bus.lost + 1, id_, event)
        self._commit(numbered.seq, line + b"\n")
        self._seq = numbered.seq
        self._lines.append((numbered.seq, line))
        return line

    def _tell(self, line: bytes) -> None:
        if not faults.armed or faults.hit(
            "event.journalled", seq=self._seq, again=lambda: self._out.send_multipart([EVENT, line])
        ):
            self._out.send_multipart([EVENT, line])
        if len(self._lines) >= self._longest:
            self._trim()

    def _commit(self, seq: int, line: bytes) -> None:
        """Into the journal and out of the outbox in one step: a generation that was given up does neither."""
        file = self._opened()
        with self.context.fence.guard():
            if disk.write(file, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            self._size += len(line)
            self.bus.outbox.popleft()
            self.bus.published, self.bus.lost = seq, 0

    def _trim(self) -> None:
        """On a disk so full that this fails events may still be appended: it is tried again later."""
        kept = deque(islice(self._lines, len(self._lines) - self._keep, None))
        try:
            self._replace(b"".join(line + b"\n" for _, line in kept))
        except OSError as error:
            self._longest = len(self._lines) + self._keep
            self.log.warning("the journal of events cannot be shortened", error=str(error))
        else:
            self._lines, self._longest = kept, 2 * self._keep

    @handles(Since)
    def since(self, request: Since) -> Journal:
        """What subscribers ask when they see a gap."""
        lines = list(islice((line for seq, line in self._lines if seq >= request.seq), request.most))
        return Journal(self._lines[0][0] if self._lines else self._seq + 1, lines)

    @handles(Mark)
    def mark(self, request: Mark) -> int:
        """What a new subscriber waits for before it believes that it hears everything.

        What was published before it was asked for is told first: the call may have overtaken that notice.
        """
        self.drain(Drain())
        self._out.send_multipart([MARK, request.nonce])
        return self._seq
