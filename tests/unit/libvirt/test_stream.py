"""Streams over a socket pair: libvirt-python's calls, their answers and their errors."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import embervirt as libvirt
from embervirt.libvirt import stream as streams
from embervirt.libvirt.holders import Holders
from embervirt.libvirt.reporting import Told
from embervirt.libvirt.stream import virStream

STREAMS = libvirt.VIR_FROM_STREAMS
SECONDS = 60.0


def made(flags: int = 0) -> tuple[virStream, socket.socket]:
    """A stream, and the other end."""
    near, far = socket.socketpair()
    stream = virStream(cast(Any, Told()), flags)
    stream.attach(near.detach())
    far.settimeout(SECONDS)
    return stream, far


@pytest.fixture
def pair() -> Iterator[tuple[virStream, socket.socket]]:
    """One that waits."""
    stream, far = made()
    with far:
        yield stream, far
    stream.abort()


@pytest.fixture
def quick() -> Iterator[tuple[virStream, socket.socket]]:
    """One that never waits."""
    stream, far = made(libvirt.VIR_STREAM_NONBLOCK)
    with far:
        yield stream, far
    stream.abort()


def failure(call: Any, *arguments: Any) -> tuple[int | None, int | None, str]:
    """Code, domain and text of the error."""
    with pytest.raises(libvirt.libvirtError) as caught:
        call(*arguments)
    return caught.value.get_error_code(), caught.value.get_error_domain(), str(caught.value)


def test_bytes_go_both_ways_and_the_end_is_empty(pair: tuple[virStream, socket.socket]) -> None:
    """At most as many as are wanted at a time."""
    stream, far = pair
    assert stream.send(b"to the guest") == 12
    assert far.recv(100) == b"to the guest"
    far.sendall(b"abcdef")
    assert [stream.recv(4), stream.recv(4)] == [b"abcd", b"ef"]
    far.close()
    assert stream.recv(4) == b""
    assert stream.finish() == 0


def test_a_stream_that_may_not_wait_says_so(quick: tuple[virStream, socket.socket]) -> None:
    """-2 for nothing to read, and for no room to write; ``recvAll`` is not for it."""
    stream, far = quick
    assert stream.recv(10) == -2
    while (sent := stream.send(b"x" * 65536)) != -2:
        assert sent > 0
    with pytest.raises(libvirt.libvirtError, match="nonblocking stream") as refused:
        stream.recvAll(lambda *_: 0, None)
    assert refused.value.err is None
    far.sendall(b"now")
    assert stream.recv(10) == b"now"


def test_what_was_never_connected_is_not_supported_and_what_ended_is_not_open() -> None:
    """With libvirt's codes, domain and words; ending twice is no error."""
    stream = virStream(cast(Any, Told()))
    unsupported = "this function is not supported by the connection driver: "
    assert failure(stream.recv, 1) == (3, STREAMS, unsupported + "virStreamRecv")
    assert failure(stream.send, b"") == (3, STREAMS, unsupported + "virStreamSend")
    assert failure(stream.finish) == (3, STREAMS, unsupported + "virStreamFinish")
    assert failure(stream.recvHole) == (3, STREAMS, unsupported + "virStreamRecvHole")
    assert failure(stream.sendHole, 1) == (3, STREAMS, unsupported + "virStreamSendHole")
    added = failure(stream.eventAddCallback, 1, print, None)
    assert added == (3, STREAMS, unsupported + "virStreamEventAddCallback")
    assert stream.abort() == 0
    ended, far = made()
    with far:
        assert [ended.finish(), ended.finish(), ended.abort()] == [0, 0, 0]
        assert failure(ended.recv, 1) == (1, STREAMS, "internal error: stream is not open")
        assert failure(ended.send, b"x") == (1, STREAMS, "internal error: stream is not open")


def test_an_abort_ends_who_waits(pair: tuple[virStream, socket.socket]) -> None:
    """In another thread, at once."""
    stream, _ = pair
    raised: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def wait() -> None:
        try:
            stream.recv(1)
        except libvirt.libvirtError as error:
            raised.put(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not stream._moving:
        pass
    stream.abort()
    assert "stream is not open" in str(raised.get(timeout=SECONDS))
    waiting.join(SECONDS)
    assert not stream._closing


def test_all_of_it_goes_through_handlers(pair: tuple[virStream, socket.socket]) -> None:
    """``sendAll`` until there is nothing, ``recvAll`` until the end; also what is larger than any buffer."""
    stream, far = pair
    whole, chunks = os.urandom(1_000_000), [b"one", b"two"]
    got: list[bytes] = []
    stream.sendAll(lambda _, count, left: left.pop(0) if left else b"", chunks)
    assert far.recv(6, socket.MSG_WAITALL) == b"onetwo"

    def say() -> None:
        far.sendall(whole)
        far.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=say)
    sender.start()
    stream.recvAll(lambda _, data, sink: sink.append(data), got)
    sender.join(SECONDS)
    assert b"".join(got) == whole


def test_a_handler_that_fails_aborts_the_stream(pair: tuple[virStream, socket.socket]) -> None:
    """A negative answer is a RuntimeError, worded as libvirt-python has it."""
    stream, far = pair
    far.sendall(b"x")
    with pytest.raises(RuntimeError, match="recvAll handler returned -1"):
        stream.recvAll(lambda *_: -1, None)
    assert failure(stream.recv, 1)[2] == "internal error: stream is not open"


def test_a_callback_hears_what_it_asked_for_until_it_is_removed(
    quick: tuple[virStream, socket.socket],
) -> None:
    """Readable, then writable, then the end; one callback at a time."""
    stream, far = quick
    heard: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()

    def told(told_stream: virStream, events: int, opaque: str) -> None:
        told_stream.recv(100)
        heard.put((events, opaque))

    stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE, told, "mine")
    again = failure(stream.eventAddCallback, 1, told, "")
    assert again == (1, STREAMS, "internal error: stream already has a callback registered")
    far.sendall(b"x")
    assert heard.get(timeout=SECONDS) == (libvirt.VIR_STREAM_EVENT_READABLE, "mine")
    stream.eventUpdateCallback(libvirt.VIR_STREAM_EVENT_WRITABLE)
    assert heard.get(timeout=SECONDS) == (libvirt.VIR_STREAM_EVENT_WRITABLE, "mine")
    stream.eventUpdateCallback(0)
    far.close()
    while (events := heard.get(timeout=SECONDS)[0]) == libvirt.VIR_STREAM_EVENT_WRITABLE:
        pass
    assert events & libvirt.VIR_STREAM_EVENT_HANGUP
    assert stream.eventRemoveCallback() == 0
    missing = failure(stream.eventRemoveCallback)
    assert missing == (1, STREAMS, "internal error: stream does not have a callback registered")


def test_a_file_that_becomes_a_stream_loses_its_name(tmp_path: Path) -> None:
    """Its content is read to the end, whoever has removed it."""
    picture = tmp_path / "screen"
    picture.write_bytes(b"P6 1 1 255\n...")
    stream = virStream(cast(Any, Told()))
    stream.attach(streams.file(picture))
    assert not picture.exists()
    assert [stream.recv(3), stream.recv(100), stream.recv(100)] == [b"P6 ", b"1 1 255\n...", b""]
    stream.finish()


def test_one_stream_at_a_time_holds_a_console() -> None:
    """By force another takes it; what the loser then lets go of stays the winner's."""
    holders, ended = Holders(), []

    class Holder:
        def abort(self) -> None:
            ended.append(self)
            holders.release("/dev/pts/7", self)

    first, second = Holder(), Holder()
    assert holders.take("/dev/pts/7", first, force=False)
    assert not holders.take("/dev/pts/7", second, force=False)
    assert holders.take("/dev/pts/7", second, force=True) and ended == [first]
    assert not holders.take("/dev/pts/7", first, force=False)
    holders.release("/dev/pts/7", second)
    assert holders.take("/dev/pts/7", first, force=False)
