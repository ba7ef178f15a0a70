"""The volumes of a directory: what counts as one, and what is looked into again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from embervirt.drivers.images import Image
from embervirt.drivers.storage.backend import looking
from embervirt.drivers.storage.tables import DIR, FILE

QCOW2 = b"QFI\xfb" + bytes([0, 0, 0, 2])


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row is the one from before; one that changed is looked into."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x" * 100)
    before = looking.volumes(str(tmp_path), {})
    read: list[str] = []
    probe = looking.image

    def image(descriptor: int, name: str, kind: int) -> Image:
        read.append(name)
        return probe(descriptor, name, kind)

    monkeypatch.setattr(looking, "image", image)
    (tmp_path / "b").write_bytes(b"x" * 200)
    after = looking.volumes(str(tmp_path), before)
    assert read == ["b"]
    assert after["a"] is before["a"]
    assert (before["b"].capacity, after["b"].capacity) == (100, 200)


def test_what_is_no_volume_is_passed_over(tmp_path: Path) -> None:
    """Pipes, links that lead nowhere, control characters, names that are not UTF-8, and what is half-made."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "nowhere").symlink_to("nope")
    (tmp_path / "bell\x07").touch()
    (tmp_path / ".embervirt-0123456789abcdef.tmp").touch()
    os.mkfifo(tmp_path / "pipe")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).touch()
    found = looking.volumes(str(tmp_path), {})
    assert {name: row.kind for name, row in found.items()} == {"file": FILE, "folder": DIR, "link": FILE}


def test_a_damaged_image_is_believed_nothing(tmp_path: Path) -> None:
    """It is a file of its length, which can be removed; the others are listed too."""
    header = QCOW2 + (1 << 40).to_bytes(8, "big") + (1 << 20).to_bytes(4, "big") + bytes(100)
    (tmp_path / "bad").write_bytes(header)
    (tmp_path / "good").write_bytes(b"x")
    found = looking.volumes(str(tmp_path), {})
    assert (found["bad"].image.format, found["bad"].capacity) == ("raw", len(header))
    assert found["good"].capacity == 1


@pytest.mark.parametrize("change", ["content", "length", "other file", "room"])
def test_a_file_that_changed_in_any_way_is_looked_into_again(tmp_path: Path, change: str) -> None:
    """Its bytes, its length, another file under its name, or its blocks alone: the new row tells."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * 8192)
    before = looking.volumes(str(tmp_path), {})
    os.utime(path, ns=(0, before["a"].stamp[4]))
    if change == "content":
        path.write_bytes(QCOW2.ljust(8192, b"\0"))
    elif change == "length":
        os.truncate(path, 100)
    elif change == "other file":
        other = tmp_path / "b"
        other.write_bytes(QCOW2.ljust(8192, b"\0"))
        other.replace(path)
    else:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, 1 << 20)
            os.truncate(path, 8192)
    after = looking.volumes(str(tmp_path), before)
    assert after["a"] is not before["a"]
    anew = looking.volumes(str(tmp_path), {})
    assert replace(after["a"], atime=0) == replace(anew["a"], atime=0)


def test_a_file_that_is_all_hole_is_raw_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where the file system says so of a file without blocks; one with a header far in front of a hole
    is read."""
    monkeypatch.setattr(os, "pread", lambda *_: pytest.fail("was read"))
    (tmp_path / "empty").touch()
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 30)
    found = looking.volumes(str(tmp_path), {})
    assert {name: (row.image, row.capacity) for name, row in found.items()} == {
        "empty": (Image("raw"), 0),
        "hole": (Image("raw"), 1 << 30),
    }
    monkeypatch.undo()
    with (tmp_path / "hole").open("r+b") as file:
        file.write(QCOW2 + bytes(64))
    assert looking.volumes(str(tmp_path), found)["hole"].image.format == "qcow2"
