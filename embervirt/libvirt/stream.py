"""``virStream``: bytes to and from a descriptor of this process: of a pty, a socket, a file."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from embervirt import disk
from embervirt.errors import InternalError, InvalidArgument, NotSupported, SystemError_, libvirtError
from embervirt.libvirt.connection import Connection
from embervirt.libvirt.flags import only
from embervirt.libvirt.holes import AT_HOLE, VIR_FROM_STREAMS, Bytes
from embervirt.libvirt.reporting import Told
from embervirt.libvirt.watching import Watching

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect

NONBLOCK = 1
READABLE, WRITABLE, ERROR, HANGUP = 1, 2, 4, 8
STOP_AT_HOLE = 1
WOULD_BLOCK: Literal[-2] = -2
CLOSED = (errno.EPIPE, errno.ECONNRESET)
"""What a descriptor says when the other end was closed."""

PORTION = 262120
"""Bytes that ``recvAll`` and ``sendAll`` move at a time, as libvirt-python has it."""


class Far(Protocol):
    """What is at the other end, where that is somebody of ours."""

    def finish(self) -> None:
        """All was sent or read. Waits for what becomes of it, and raises its error."""

    def abort(self, *, wait: bool) -> None:
        """Nothing of it counts; before the descriptor is closed."""

    def why(self) -> libvirtError | None:
        """Why it closed its end, once it did."""


class virStream(Told):
    """Made by ``newStream``, connected by ``openConsole`` and its like; any thread may use it.

    Without NONBLOCK (1) calls wait; ``abort`` in another thread ends that.
    """

    def __init__(self, conn: Connection, flags: int = 0) -> None:
        self._conn, self._waits = conn, not flags & NONBLOCK
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._used = False
        self._moving = 0
        self._at_end: Callable[[], None] = _nothing
        self._far: Far | None = None
        self._form = Bytes()
        self._watching: Watching | None = None
        self._closing: tuple[int, ...] = ()
        self._wake: int | None = None

    def connect(self) -> virConnect:
        """The connection it was made on."""
        return cast("virConnect", self._conn)

    # What embervirt does with it.

    def attach(
        self,
        descriptor: int,
        at_end: Callable[[], None] | None = None,
        far: Far | None = None,
        form: Bytes | None = None,
    ) -> None:
        """From now on it is this descriptor, which it owns; ``at_end`` is called once, when it is closed.

        ``form``: what goes over it, plain bytes if nothing is said.
        """
        os.set_blocking(descriptor, False)
        with self._lock:
            if self._descriptor is not None:
                os.close(descriptor)
                raise self._says(InternalError, "stream already has a driver: it is connected")
            self._descriptor, self._used = descriptor, True
            self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self._at_end = at_end or _nothing
            self._far = far
            self._form = form or Bytes()

    def _says(self, kind: type[libvirtError], text: str) -> libvirtError:
        return kind(text, virdomain=VIR_FROM_STREAMS)

    def _open(self, call: str) -> tuple[int, int]:
        """Descriptor and wake-up. Raises NotSupported before it is connected, InternalError after its end."""
        descriptor, wake = self._descriptor, self._wake
        if descriptor is None or wake is None:
            if not self._used:
                raise self._says(NotSupported, call)
            raise self._says(InternalError, "stream is not open")
        return descriptor, wake

    def _close(self) -> None:
        self._stop_watching()
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
            wake, self._wake = self._wake, None
            at_end, self._at_end = self._at_end, _nothing
            if descriptor is not None and wake is not None:
                os.eventfd_write(wake, 1)
                self._closing = (descriptor, wake)
                self._release()
        at_end()

    def _release(self) -> None:
        """The last who has the numbers in hand closes them: else they could mean another file by now."""
        if not self._moving and self._descriptor is None:
            for each in self._closing:
                os.close(each)
            self._closing = ()

    # Bytes.

    def recv(self, nbytes: int) -> bytes | int:
        """At most that many bytes, empty at the end; -2 when it may not wait and there are none."""
        return self._received("virStreamRecv", nbytes, stop=False)

    def recvFlags(self, nbytes: int, flags: int = 0) -> bytes | int:
        """As ``recv``; with STOP_AT_HOLE (1) -3 at a hole, which ``recvHole`` takes."""
        only(flags, STOP_AT_HOLE, "virStreamRecvFlags")
        return self._received("virStreamRecvFlags", nbytes, stop=bool(flags))

    def _received(self, call: str, nbytes: int, *, stop: bool) -> bytes | int:
        return self._transfer(call, select.POLLIN, lambda fd: self._form.read(fd, nbytes, stop=stop))

    def send(self, data: bytes) -> int:
        """How many bytes were taken; -2 when it may not wait and none can be."""
        return self._number("virStreamSend", select.POLLOUT, lambda fd: self._form.write(fd, data))

    def _number(self, call: str, event: int, move: Callable[[int], int]) -> int:
        return cast(int, self._transfer(call, event, move))

    def _transfer(self, call: str, event: int, move: Callable[[int], bytes | int]) -> bytes | int:
        while True:
            with self._in_hand(call) as (descriptor, wake):
                try:
                    return move(descriptor)
                except BlockingIOError:
                    if not self._waits:
                        return WOULD_BLOCK
                    _poll(descriptor, wake, event)
                except OSError as error:
                    why = self._far.why() if self._far and error.errno in CLOSED else None
                    if why is not None:
                        raise why from error
                    text, number = f"{call}: {error.strerror}", error.errno or -1
                    raise SystemError_(text, int1=number, virdomain=VIR_FROM_STREAMS) from error

    @contextlib.contextmanager
    def _in_hand(self, call: str) -> Iterator[tuple[int, int]]:
        with self._lock:
            numbers = self._open(call)
            self._moving += 1
        try:
            yield numbers
        finally:
            with self._lock:
                self._moving -= 1
                self._release()

    def recvHole(self, flags: int = 0) -> int:
        """How many bytes the hole has that the stream is at; 0 at data. Only with SPARSE_STREAM."""
        only(flags, 0, "virStreamRecvHole")
        return self._number("virStreamRecvHole", select.POLLIN, self._form.read_hole)

    def sendHole(self, length: int, flags: int = 0) -> int:
        """So many bytes are a hole; answers 0. Raises InvalidArgument for a length below 0."""
        only(flags, 0, "virStreamSendHole")
        if length < 0:
            raise self._says(InvalidArgument, f"length of a hole in virStreamSendHole must not be {length}")
        hole = self._form.write_hole
        return self._number("virStreamSendHole", select.POLLOUT, lambda fd: hole(fd, length))

    def recvAll(self, handler: Callable[[virStream, bytes, Any], Any], opaque: Any) -> None:
        """``handler(stream, bytes, opaque)`` for all there is; a negative answer aborts, as RuntimeError."""
        while got := self.recv(PORTION):
            if isinstance(got, int):
                raise libvirtError("cannot use recvAll with nonblocking stream")
            with self._aborting():
                _check("recvAll", handler(self, got, opaque))

    def sendAll(self, handler: Callable[[virStream, int, Any], bytes], opaque: Any) -> None:
        """What ``handler(stream, count, opaque)`` gives, until it gives nothing."""
        while True:
            with self._aborting():
                got = handler(self, PORTION, opaque)
            if not got:
                return
            if self._send_whole(got) == WOULD_BLOCK:
                raise libvirtError("cannot use sendAll with nonblocking stream")

    def _send_whole(self, data: bytes) -> int:
        while data:
            sent = self.send(data)
            if sent == WOULD_BLOCK:
                return sent
            data = data[sent:]
        return 0

    def sparseRecvAll(
        self,
        handler: Callable[[virStream, bytes, Any], Any],
        holeHandler: Callable[[virStream, int, Any], Any],
        opaque: Any,
    ) -> None:
        """The same, and ``holeHandler(stream, length, opaque)`` for each hole."""
        while got := self.recvFlags(PORTION, STOP_AT_HOLE):
            if got == WOULD_BLOCK:
                raise libvirtError("cannot use sparseRecvAll with nonblocking stream")
            if got == AT_HOLE:
                length = self.recvHole()
                with self._aborting():
                    _check("holeHandler", holeHandler(self, length, opaque))
                continue
            with self._aborting():
                _check("sparseRecvAll", handler(self, cast(bytes, got), opaque))

    def sparseSendAll(
        self,
        handler: Callable[[virStream, int, Any], Any],
        holeHandler: Callable[[virStream, Any], tuple[bool, int]],
        skipHandler: Callable[[virStream, int, Any], int],
        opaque: Any,
    ) -> None:
        """``holeHandler(stream, opaque)`` says whether there is data and how much of that; a hole is skipped
        by ``skipHandler(stream, length, opaque)``, data comes from ``handler(stream, count, opaque)``."""
        while True:
            with self._aborting():
                inside, length = holeHandler(self, opaque)
            if not inside and length > 0:
                self.sendHole(length)
                with self._aborting():
                    _check("skipHandler", skipHandler(self, length, opaque))
                continue
            with self._aborting():
                got = handler(self, min(PORTION, length), opaque)
                _check("sparseSendAll", got)
            if not got:
                return
            if self._send_whole(got) == WOULD_BLOCK:
                raise libvirtError("cannot use sparseSendAll with nonblocking stream")

    @contextlib.contextmanager
    def _aborting(self) -> Iterator[None]:
        """Around the caller's code: what it raises ends the stream."""
        try:
            yield
        except BaseException:
            self.abort()
            raise

    # The end.

    def finish(self) -> int:
        """No more of it. Raises NotSupported when it was never connected."""
        if not self._used:
            raise self._says(NotSupported, "virStreamFinish")
        far, self._far = self._far, None
        self._close()
        if far is not None:
            far.finish()
        return 0

    def abort(self) -> int:
        """The same, also for what is under way."""
        self._give_up(wait=True)
        return 0

    def _give_up(self, *, wait: bool) -> None:
        far, self._far = self._far, None
        try:
            if far is not None:
                far.abort(wait=wait)
        finally:
            self._close()

    def __del__(self) -> None:
        self._give_up(wait=False)  # whichever thread this is on: it may be the one that would answer

    # Events.

    def eventAddCallback(self, events: int, cb: Callable[[virStream, int, Any], Any], opaque: Any) -> None:
        """``cb(stream, events, opaque)`` when it is readable (1), writable (2), or at its end (4, 8)."""
        descriptor, _ = self._open("virStreamEventAddCallback")
        with self._lock:
            if self._watching is not None:
                raise self._says(InternalError, "stream already has a callback registered")
            self._watching = Watching(descriptor, events, partial(_call, self, cb, opaque))

    def eventUpdateCallback(self, events: int) -> int:
        """What it waits for from now on."""
        self._open("virStreamEventUpdateCallback")
        self._watched().update(events)
        return 0

    def eventRemoveCallback(self) -> int:
        """No more of them; one that runs is not waited for."""
        self._open("virStreamEventRemoveCallback")
        self._watched()
        self._stop_watching()
        return 0

    def _watched(self) -> Watching:
        watching = self._watching
        if watching is None:
            raise self._says(InternalError, "stream does not have a callback registered")
        return watching

    def _stop_watching(self) -> None:
        with self._lock:
            watching, self._watching = self._watching, None
        if watching is not None:
            watching.stop()


def _nothing() -> None:
    """A stream of nobody's."""


def _call(stream: virStream, cb: Callable[[virStream, int, Any], Any], opaque: Any, events: int) -> None:
    cb(stream, events, opaque)


def _check(call: str, answer: object) -> None:
    if isinstance(answer, int) and answer < 0:
        raise RuntimeError(f"{call} handler returned {answer}")


def _poll(descriptor: int, wake: int, event: int) -> None:
    """Until the descriptor is ready, or somebody closes the stream."""
    poll = select.poll()
    poll.register(descriptor, event)
    poll.register(wake, select.POLLIN)
    poll.poll()


def file(path: Any) -> int:
    """A descriptor of a file to be read, whose name is gone from now on. Raises OSError.

    QEMU made it, in a directory of its own: no link is followed.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    finally:
        disk.unlink(path, missing_ok=True)
