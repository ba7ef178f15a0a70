"""What a soak wrote down while it ran: one JSON object a line, complete up to the moment a writer is killed.

All times are seconds of the monotonic clock, which every process of one boot shares.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """A call, before it is made. ``domain``: its name, empty for a call that concerns none or all."""

    id: int
    thread: int
    op: str
    domain: str
    at: float


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """How a call ended: with ``value``, or with an error of these classes, nearest first."""

    id: int
    at: float
    value: int | list[str] = 0
    errors: list[str] = []
    code: int = 0
    text: str = ""


class Fault(msgspec.Struct, frozen=True, tag="fault"):
    """What was done to it. ``target``: a domain's name, or an actor's path; ``run``: the guest's id.

    ``kind``: kill (SIGKILL of QEMU), stop (SIGSTOP of QEMU, until SIGCONT), crash (of an actor), reopen
    (close and open of the root), freeze (SIGSTOP of the program, until SIGCONT), end (its SIGKILL).
    """

    kind: str
    target: str
    at: float
    until: float
    run: int = 0


class Told(msgspec.Struct, frozen=True, tag="told"):
    """An event as a subscriber received it. ``kind``: its class; ``event``, ``detail``: of a lifecycle."""

    seq: int
    at: float
    kind: str
    name: str = ""
    run: int = 0
    event: int = -1
    detail: int = -1
    why: str = ""


class Wrong(msgspec.Struct, frozen=True, tag="wrong"):
    """Something that must not happen, seen where it happened."""

    what: str
    at: float


Line = Begun | Ended | Fault | Told | Wrong


class Call(msgspec.Struct, frozen=True):
    """A call from its beginning to its end; without one (``ended`` is None) when its program was killed."""

    begun: Begun
    ended: Ended | None

    @property
    def until(self) -> float:
        """When it was over, infinite when it never was."""
        return float("inf") if self.ended is None else self.ended.at

    def __str__(self) -> str:
        begun, ended = self.begun, self.ended
        how = "..." if ended is None else f"{ended.errors[0]}: {ended.text}" if ended.errors else ended.value
        until = "killed" if ended is None else f"{ended.at:.6f}"
        return f"{begun.at:.6f} to {until} thread {begun.thread}: {begun.op} {begun.domain} -> {how}"


class Writer:
    """Appends lines to a file in the order of their times; any thread. A line is the kernel's, and so
    outlives this process, before a method returns. ``first``: the id of the first call."""

    def __init__(self, path: Path, first: int = 1) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._ids = itertools.count(first)
        self._lock = threading.Lock()

    def _write(self, make: Callable[[float], Line]) -> Line:
        with self._lock:
            line = make(time.monotonic())
            os.write(self._descriptor, msgspec.json.encode(line) + b"\n")
        return line

    def begin(self, op: str, domain: str) -> int:
        """A call is about to be made; its id."""
        id_, thread = next(self._ids), threading.get_native_id()
        self._write(lambda at: Begun(id_, thread, op, domain, at))
        return id_

    def end(self, id_: int, value: int | list[str]) -> None:
        """A call answered."""
        self._write(lambda at: Ended(id_, at, value))

    def fail(self, id_: int, errors: list[str], code: int, text: str) -> None:
        """A call raised."""
        self._write(lambda at: Ended(id_, at, 0, errors, code, text))

    def fault(self, kind: str, target: str = "", since: float | None = None) -> float:
        """A fault begins, or one that began at ``since`` is over; when it began."""
        line = self._write(lambda at: Fault(kind, target, at if since is None else since, at))
        assert isinstance(line, Fault)
        return line.at

    def told(self, seq: int, kind: str, fields: dict[str, Any]) -> None:
        """An event was received."""
        self._write(lambda at: Told(seq, at, kind, **fields))

    def close(self) -> None:
        """No more lines."""
        os.close(self._descriptor)

    def wrong(self, what: str) -> None:
        """Something that must not happen did."""
        self._write(lambda at: Wrong(what, at))


class Reader:
    """Follows a file that is being written."""

    def __init__(self, path: Path) -> None:
        self.path, self._read = path, 0

    def lines(self) -> Iterator[Line]:
        """Those whole since the last time; a torn one at the end of a killed program's file is no line."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            yield msgspec.json.decode(line, type=Line)
