"""A file is found without anybody being able to exchange it, and known for what it is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from counted import descriptors
from embervirt.drivers.root.handles import handle


def test_a_file_is_found_through_links_and_directories(tmp_path: Path) -> None:
    """Absolute, relative and upward links; the handle says where it is, and whose the links were."""
    (tmp_path / "a/b").mkdir(parents=True)
    file = tmp_path / "a/file"
    file.touch()
    (tmp_path / "absolute").symlink_to(tmp_path / "a")
    (tmp_path / "a/b/up").symlink_to("../file")
    for path in (file, tmp_path / "absolute/b/up", tmp_path / "a/b/../b/up"):
        with handle(path) as at:
            assert (at.path, at.identity[1], at.givable) == (file.resolve(), file.stat().st_ino, True)
            assert at.linkers == (frozenset() if path == file else {os.getuid()})


@pytest.mark.parametrize("path", ["/dev/null", "/dev/urandom", "/dev/tty", "/dev", "/"])
def test_what_is_everybodys_cannot_be_given(path: str) -> None:
    """Devices of the kernel for all, and directories."""
    with handle(Path(path)) as at:
        assert not at.givable


def test_a_circle_of_links_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    """Of the system, and no descriptor stays open."""
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    before = descriptors()
    for name, code in (("one", errno.ELOOP), ("none", errno.ENOENT)):
        with pytest.raises(OSError) as refused, handle(tmp_path / name):
            pass
        assert refused.value.errno == code
    assert descriptors() <= before
