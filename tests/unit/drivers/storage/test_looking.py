"""The volumes of a directory: what counts as one, and what is looked into again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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

    def image(directory: int, name: str, kind: int) -> Image:
        read.append(name)
        return probe(directory, name, kind)

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
    (tmp_path / ".embervirt-00.tmp").touch()
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
