"""Uploads to volumes and downloads from them."""

from __future__ import annotations

import os
from typing import Any

import pytest

import embervirt as libvirt
from integration.storage.conftest import Storage
from integration.storage.test_pools import refusal

MIB = 1 << 20


def upload(
    storage: Storage, volume: libvirt.virStorageVol, data: bytes, offset: int = 0, length: int = 0
) -> None:
    """All of it."""
    stream = storage.conn.newStream()
    volume.upload(stream, offset, length)
    left = [data]

    def some(_: object, count: int, __: object) -> bytes:
        now, left[0] = left[0][:count], left[0][count:]
        return now

    stream.sendAll(some, None)
    stream.finish()


def download(storage: Storage, volume: libvirt.virStorageVol, offset: int = 0, length: int = 0) -> bytes:
    """All that comes."""
    stream = storage.conn.newStream()
    volume.download(stream, offset, length)
    got: list[bytes] = []
    stream.recvAll(lambda _, data, __: got.append(data), None)
    stream.finish()
    return b"".join(got)


@pytest.mark.parametrize("allocation", [0, None])
def test_what_was_sent_comes_back(storage: Storage, allocation: int | None) -> None:
    """All of it, and parts; what is not sent to stays as it was."""
    volume, data = storage.make("a", 4 * MIB, allocation=allocation), os.urandom(4 * MIB)
    upload(storage, volume, data)
    assert download(storage, volume) == data
    upload(storage, volume, b"y" * 100, 1000, 100)
    assert download(storage, volume, 900, 300) == data[900:1000] + b"y" * 100 + data[1100:1200]
    upload(storage, volume, b"z" * 10)
    assert download(storage, volume, 0, 1000) == b"z" * 10 + data[10:1000]
    assert download(storage, volume, 2 * MIB) == data[2 * MIB :]
    assert (volume.info()[1], storage.files()) == (4 * MIB, ["a"])


@pytest.mark.parametrize(("offset", "length"), [(2 * MIB, 5), (MIB - 2, 5), (MIB - 2, 0), (0, 2 * MIB)])
def test_a_file_grows_by_what_is_sent_behind_its_end(storage: Storage, offset: int, length: int) -> None:
    """As in libvirt: an image is sent, with its length announced, to a volume whose file is still short."""
    volume = storage.make("a", MIB)
    upload(storage, volume, b"12345", offset, length)
    end = max(MIB, offset + 5)
    whole = bytes(offset) + b"12345"
    assert download(storage, volume) == whole + bytes(end - len(whole))
    assert (volume.info()[1], storage.files()) == (end, ["a"])


def test_a_download_ends_where_the_file_does(storage: Storage) -> None:
    """Whatever length is asked for; behind its end there is nothing, and no error."""
    volume = storage.make("a", MIB)
    upload(storage, volume, b"12345")
    assert download(storage, volume, 3, 2 * MIB) == b"45" + bytes(MIB - 5)
    for offset in (MIB, 2 * MIB):
        assert download(storage, volume, offset) == download(storage, volume, offset, 5) == b""


def test_an_upload_that_is_given_up_changes_nothing(storage: Storage) -> None:
    """The sender aborts in the middle: the volume is as before, and on record as undone."""
    volume = storage.make("a", 4 * MIB)
    stream = storage.conn.newStream()
    volume.upload(stream, 0, 0)
    stream.send(b"x" * 1000)
    stream.abort()
    assert download(storage, volume) == bytes(4 * MIB)
    assert storage.files() == ["a"]
    [record] = [each for each in storage.conn.root.journal.values() if each.what == "vol-upload"]
    assert record.state == "undone"


def test_more_than_was_announced_is_an_error(storage: Storage) -> None:
    """The volume is as before."""
    volume = storage.make("a", MIB)
    code, _, text = refusal(upload, storage, volume, b"x" * 11, 0, 10)
    assert code == libvirt.VIR_ERR_SYSTEM_ERROR and "more than 10 bytes" in text
    assert download(storage, volume) == bytes(MIB)


def test_a_volume_in_transfer_is_in_use(storage: Storage) -> None:
    """Nobody removes or resizes it until the end of the stream."""
    volume = storage.make("a", MIB)
    stream = storage.conn.newStream()
    volume.upload(stream, 0, 0)
    assert refusal(volume.delete)[2].endswith("volume 'a' is still in use.")
    assert "asynchronous jobs" in refusal(storage.pool.destroy)[2]
    stream.finish()
    volume.delete()
    assert storage.files() == []


def sparse(stream: libvirt.virStream) -> list[tuple[str, int]]:
    """What ``sparseRecvAll`` gives, pieces of one kind together."""
    got: list[tuple[str, int]] = []

    def add(kind: str, count: int) -> None:
        before = got.pop()[1] if got and got[-1][0] == kind else 0
        got.append((kind, before + count))

    stream.sparseRecvAll(lambda _, data, __: add("data", len(data)), lambda _, n, __: add("hole", n), None)
    stream.finish()
    return got


def test_a_download_tells_holes(storage: Storage) -> None:
    """With SPARSE_STREAM: as they are in the file, within the part that is asked for."""
    volume = storage.make("a", 8 * MIB)
    with (storage.folder / "a").open("r+b") as file:
        file.seek(2 * MIB)
        file.write(b"x" * MIB)
    for part, wanted in (
        ((0, 0), [("hole", 2 * MIB), ("data", MIB), ("hole", 5 * MIB)]),
        ((MIB, MIB + 5000), [("hole", MIB), ("data", 5000)]),
        ((2 * MIB + 5, 100), [("data", 100)]),
        ((4 * MIB, 0), [("hole", 4 * MIB)]),
    ):
        stream = storage.conn.newStream()
        volume.download(stream, *part, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        assert sparse(stream) == wanted


def test_a_hole_is_taken_or_read_as_zeroes(storage: Storage) -> None:
    """``recvFlags`` stops at it with -3, ``recvHole`` says its length, 0 at data; ``recv`` gives zeroes."""
    volume = storage.make("a", 2 * MIB)
    with (storage.folder / "a").open("r+b") as file:
        file.seek(MIB)
        file.write(b"x" * MIB)
    stop = libvirt.VIR_STREAM_RECV_STOP_AT_HOLE
    stream = storage.conn.newStream()
    volume.download(stream, 0, 0, 1)
    assert stream.recv(10) == bytes(10)
    assert stream.recvFlags(10, stop) == -3
    assert stream.recvHole() == MIB - 10
    assert (stream.recvFlags(5, stop), stream.recvHole()) == (b"xxxxx", 0)
    stream.abort()
    stream = storage.conn.newStream()
    volume.download(stream, 0, 0)
    assert stream.recvFlags(10, stop) == bytes(10)
    assert refusal(stream.recvHole)[:2] == (libvirt.VIR_ERR_OPERATION_INVALID, 38)
    stream.abort()
    stream = storage.conn.newStream()
    volume.upload(stream, 0, 0)
    assert refusal(stream.sendHole, 5)[2].endswith("Skipping is not supported with this stream")
    stream.abort()


class Pieces:
    """Data and holes, for ``sparseSendAll``."""

    def __init__(self, *pieces: bytes | int) -> None:
        self.left = list(pieces)

    def section(self, _: object, __: object) -> tuple[bool, int]:
        """What is next."""
        piece = self.left[0] if self.left else b""
        return (False, piece) if isinstance(piece, int) else (True, len(piece))

    def read(self, _: object, count: int, __: object) -> bytes:
        """Some of the next data."""
        piece = self.left.pop(0) if self.left else b""
        assert isinstance(piece, bytes)
        if piece[count:]:
            self.left.insert(0, piece[count:])
        return piece[:count]

    def skip(self, _: object, __: int, ___: object) -> int:
        """The next hole."""
        self.left.pop(0)
        return 0


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (MIB, 0), (MIB, 3 * MIB)])
def test_an_upload_makes_holes(storage: Storage, offset: int, length: int) -> None:
    """What was skipped is zero and takes no room, also where data was; what was not sent to stays."""
    volume, before = storage.make("a", 8 * MIB, allocation=None), os.urandom(8 * MIB)
    upload(storage, volume, before)
    pieces = Pieces(b"y" * 1000, MIB, b"z" * (MIB - 1000), MIB)
    stream = storage.conn.newStream()
    volume.upload(stream, offset, length, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
    stream.sparseSendAll(pieces.read, pieces.section, pieces.skip, None)
    stream.finish()
    sent = b"y" * 1000 + bytes(MIB) + b"z" * (MIB - 1000) + bytes(MIB)
    assert download(storage, volume) == before[:offset] + sent + before[offset + len(sent) :]
    assert 5 * MIB <= volume.info()[2] <= 6 * MIB + 16384
    assert storage.files() == ["a"]


def test_a_handler_that_fails_ends_a_sparse_stream(storage: Storage) -> None:
    """With its own exception, and the volume is as before."""
    volume = storage.make("a", MIB)
    stream = storage.conn.newStream()
    volume.upload(stream, 0, 0, 1)
    with pytest.raises(RuntimeError, match="skipHandler handler returned -1"):
        stream.sparseSendAll(lambda *_: b"", lambda *_: (False, 100), lambda *_: -1, None)
    assert download(storage, volume) == bytes(MIB)
    stream = storage.conn.newStream()
    volume.download(stream, 0, 0, 1)
    with pytest.raises(RuntimeError, match="holeHandler handler returned -1"):
        stream.sparseRecvAll(lambda *_: 0, lambda *_: -1, None)


def test_more_holes_than_were_announced_are_an_error(storage: Storage) -> None:
    """The volume is as before, and as large."""
    volume = storage.make("a", MIB)
    stream = storage.conn.newStream()
    volume.upload(stream, 0, 10, 1)
    stream.sendHole(11)
    assert "more than 10 bytes" in refusal(stream.finish)[2]
    assert volume.info()[1] == MIB


def test_a_download_that_is_given_up_leaves_the_volume_free(storage: Storage) -> None:
    """Its reader aborts in the middle: nobody is in the way of a delete."""
    volume = storage.make("a", 8 * MIB, allocation=None)
    stream = storage.conn.newStream()
    volume.download(stream, 0, 0)
    assert stream.recv(10) == bytes(10)
    stream.abort()
    volume.delete()
    assert storage.files() == []


@pytest.mark.parametrize("call", ["download", "upload"])
def test_bytes_in_the_wrong_direction_are_an_error(storage: Storage, call: str) -> None:
    """At once, though the other end waits for somebody to read or write."""
    volume = storage.make("a", 4 * MIB)
    stream = storage.conn.newStream()
    getattr(volume, call)(stream, 0, 0)
    wrong = {"download": lambda: stream.send(b"x"), "upload": lambda: stream.recv(1)}[call]
    assert "Bad file descriptor" in refusal(wrong)[2]
    stream.abort()
    volume.resize(8 * MIB)


def test_a_transfer_that_has_no_stream_leaves_the_volume_free(storage: Storage) -> None:
    """A stream that is connected already, or none at all: the volume is not in use afterwards."""
    one, other = storage.make("a", 4 * MIB), storage.make("b", 4 * MIB)
    stream = storage.conn.newStream()
    one.upload(stream, 0, 0)
    assert "stream already has a driver" in refusal(lambda: other.download(stream, 0, 0))[2]
    none: Any = None
    assert refusal(lambda: other.upload(none, 0, 0))[0] == libvirt.VIR_ERR_INVALID_ARG
    other.resize(8 * MIB)
    stream.abort()


@pytest.mark.parametrize(("offset", "length"), [(-1, 0), (0, -1)])
def test_a_negative_part_is_refused(storage: Storage, offset: int, length: int) -> None:
    """Before anything is sent or read."""
    volume = storage.make("a")
    for call in (volume.upload, volume.download):
        got = refusal(lambda call=call: call(storage.conn.newStream(), offset, length))
        assert got[0] == libvirt.VIR_ERR_INVALID_ARG and "negative" in got[2]
