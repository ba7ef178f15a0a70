"""Images below an image."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from embervirt.drivers.storage.errors import StorageInternal, StorageInvalid, StorageSystemError
from embervirt.drivers.storage.service.chains import check, check_below, resolved

BACKING_FORMAT = bytes.fromhex("e2792aca")
"""The extension of a header with the format of the image below; from QEMU's docs/interop/qcow2.txt."""


def image(path: Path, below: str | None = None, format_: str | None = "qcow2") -> str:
    """A qcow2 of a MiB, upon what may not be there."""
    words = ["-b", below] if below else []
    words += ["-F", format_ or "raw"] if below else []
    subprocess.run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", *words, path, "1M"], check=True)
    if format_ is None:  # an extension that nobody knows, as programs of old did not name it
        path.write_bytes(path.read_bytes().replace(BACKING_FORMAT, b"\0\0\0\1", 1))
    return str(path)


def test_a_chain_that_is_whole_is_fine(tmp_path: Path) -> None:
    """By absolute and relative names, up to what is raw."""
    (tmp_path / "raw").touch()
    image(tmp_path / "a", "raw", "raw")
    top = image(tmp_path / "b", str(tmp_path / "a"))
    assert check(top, "qcow2") == 3
    assert check_below(str(tmp_path / "new"), "b", "qcow2") == 3


def test_what_is_called_raw_is_never_looked_into(tmp_path: Path) -> None:
    """Whatever a guest wrote into it."""
    image(tmp_path / "a", "/nowhere")
    assert check(str(tmp_path / "a"), "raw") == 1
    assert check(image(tmp_path / "b", "a", "raw"), "qcow2") == 2


def test_a_link_that_is_missing_is_named_with_who_names_it(tmp_path: Path) -> None:
    """Both files, and why."""
    top = image(tmp_path / "b", image(tmp_path / "a", str(tmp_path / "gone")))
    with pytest.raises(
        StorageSystemError, match=f"{tmp_path}/gone of '{tmp_path}/a': No such file"
    ) as refused:
        check(top, "qcow2")
    assert refused.value.get_int1() == errno.ENOENT


def test_a_chain_without_end_is_named(tmp_path: Path) -> None:
    """An image upon itself, two upon each other, by whatever names."""
    own = image(tmp_path / "own", "own")
    os.link(own, tmp_path / "second")
    image(tmp_path / "a", "b")
    image(tmp_path / "b", f"{tmp_path}/../{tmp_path.name}/a")
    for top in (own, tmp_path / "second", tmp_path / "a"):
        with pytest.raises(StorageInternal, match="self-referential") as refused:
            check(str(top), "qcow2")
        assert str(tmp_path) in str(refused.value)


def test_another_format_than_it_is_called_is_told(tmp_path: Path) -> None:
    """Of the image itself and of one below it."""
    (tmp_path / "raw").write_bytes(bytes(1 << 20))
    with pytest.raises(StorageInternal, match=f"'{tmp_path}/raw' is called qcow2 and is raw"):
        check(image(tmp_path / "a", "raw"), "qcow2")
    with pytest.raises(StorageInternal, match="is called vmdk and is qcow2"):
        check_below(str(tmp_path / "new"), str(tmp_path / "a"), "vmdk")


def test_a_format_that_nobody_named_is_believed_only_at_the_end(tmp_path: Path) -> None:
    """Where something lies below it in turn, a guest may have written that."""
    (tmp_path / "raw").touch()
    assert check(image(tmp_path / "a", "raw", None), "qcow2") == 2
    image(tmp_path / "b", "/etc/passwd", "raw")
    with pytest.raises(StorageInvalid, match=f"format of backing image '{tmp_path}/b'"):
        check(image(tmp_path / "c", "b", None), "qcow2")


def test_what_is_no_file_is_refused_or_left_to_qemu(tmp_path: Path) -> None:
    """A directory and a FIFO are none; ``nbd:`` and ``json:`` are not ours to open."""
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "."):
        with pytest.raises(StorageInternal, match="neither a file nor a block device"):
            check_below(str(tmp_path / "new"), name, "raw")
    assert [resolved(each, "/p/a") for each in ("nbd:x", "json:{}", "nbd://h/x")] == [None] * 3
    assert [resolved(each, "/p/a") for each in ("b", "/b", "file:b", "./x:y")] == [
        "/p/b",
        "/b",
        "/p/b",
        "/p/x:y",
    ]
