"""Uploads to volumes and downloads from them."""

from __future__ import annotations

import os

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


def test_a_part_that_the_volume_has_not_is_refused(storage: Storage) -> None:
    """At once, before anything is sent."""
    volume = storage.make("a", MIB)
    for offset, length in ((2 * MIB, 0), (0, 2 * MIB)):
        stream = storage.conn.newStream()
        assert refusal(volume.upload, stream, offset, length)[0] == libvirt.VIR_ERR_INVALID_ARG
        assert refusal(volume.download, stream, offset, length)[0] == libvirt.VIR_ERR_INVALID_ARG


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
    assert "more than 10 bytes" in refusal(upload, storage, volume, b"x" * 11, 0, 10)[2]
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
