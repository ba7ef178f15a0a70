"""The events actor: numbers what happened, keeps it in a journal, sends it to every subscriber once.

Events wait in the bus's outbox until they are in the journal, so the death of this actor loses none;
its successor goes on from the last number in the journal. The journal is JSON, a line an event.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from itertools import islice
from pathlib import Path

import msgspec
import zmq

from embervirt import world
from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.bus import Drain
from embervirt.actors.exchange import PUBLISH, socket
from embervirt.actors.messages import Event, Numbered, Request

EVENT = b"event"
MARK = b"mark"


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


class EventLog(Actor):
    """``keep``: how many events the journal holds at least (twice as many at most)."""

    def __init__(self, context: Context, path: Path, keep: int) -> None:
        super().__init__(context)
        self._path, self._keep = path, keep
        self._lines: deque[tuple[int, bytes]] = deque()
        self._seq = 0

    def setup(self) -> None:
        """Read the journal back, drop a torn last line, send the last event again, and publish what waits.

        Again, because the predecessor may have died between the journal and the subscribers, who know what
        they have seen by its number.
        """
        self._load()
        self._file = self._path.open("ab", buffering=0)
        self.resources.callback(lambda: self._file.close())
        self._out = self.resources.enter_context(socket(self.bus.context, zmq.PUSH))
        self._out.connect(PUBLISH)
        self.bus.published = self._seq
        if self._lines:
            self._out.send_multipart([EVENT, self._lines[-1][1]])
        self.drain(Drain())

    def teardown(self) -> None:
        """What was published before the stop is kept."""
        self.drain(Drain())

    def _load(self) -> None:
        text = self._path.read_bytes() if self._path.exists() else b""
        whole = text[: text.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._read(line)
        if whole != text or not self._path.exists():
            self._replace(whole)

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

    def _replace(self, content: bytes) -> None:
        temporary = self._path.with_suffix(".new")
        with self.context.fence.guard():
            temporary.write_bytes(content)
            temporary.chmod(0o600)
            temporary.rename(self._path)

    @handles(Drain)
    def drain(self, _: Drain) -> None:
        """Number, write and send all that waits in the outbox."""
        while self.bus.outbox:
            self._publish(*self.bus.outbox[0])

    def _publish(self, id_: str, event: Event) -> None:
        body = msgspec.Raw(msgspec.json.encode(event))
        numbered = Numbered(self._seq + 1, world.wall(), id_, event.kind, body)
        line = msgspec.json.encode(numbered)
        self._commit(numbered.seq, line + b"\n")
        self._seq = numbered.seq
        self._lines.append((numbered.seq, line))
        self._out.send_multipart([EVENT, line])
        if len(self._lines) >= 2 * self._keep:
            self._trim()

    def _commit(self, seq: int, line: bytes) -> None:
        """Into the journal and out of the outbox in one step: a generation that was given up does neither."""
        with self.context.fence.guard():
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            self.bus.outbox.popleft()
            self.bus.published = seq

    def _trim(self) -> None:
        while len(self._lines) > self._keep:
            self._lines.popleft()
        self._replace(b"".join(line + b"\n" for _, line in self._lines))
        self._file.close()
        self._file = self._path.open("ab", buffering=0)

    @handles(Since)
    def since(self, request: Since) -> Journal:
        """What subscribers ask when they see a gap."""
        lines = list(islice((line for seq, line in self._lines if seq >= request.seq), request.most))
        return Journal(self._lines[0][0] if self._lines else self._seq + 1, lines)

    @handles(Mark)
    def mark(self, request: Mark) -> int:
        """What a new subscriber waits for before it believes that it hears everything."""
        self._out.send_multipart([MARK, request.nonce])
        return self._seq
