"""What /proc says is mounted, and whether it is what a pool mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from embervirt.drivers.storage.backend import mounted
from embervirt.drivers.storage.images import exports
from embervirt.drivers.storage.reading import read_pool

NFS = "<pool type='netfs'><name>n</name><source><host name='{}'/><dir path='{}'/></source>" \
    "<target><path>/m</path></target></pool>"  # fmt: skip


def test_a_path_with_spaces_is_found_among_the_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written in octal there; of several at one place the last is the uppermost."""
    table = tmp_path / "mounts"
    table.write_text("a\\040b /m\\011x\\134 ext4 rw 0 0\n/dev/c /m ext4 rw 0 0\n/dev/d /m ext4 rw 0 0\n")
    monkeypatch.setattr(mounted, "MOUNTS", table)
    assert list(mounted.mounts("/m\tx\\")) == ["a b"]
    assert list(mounted.mounts("/m")) == ["/dev/c", "/dev/d"]


@pytest.mark.parametrize(
    ("host", "path", "source", "same"),
    [
        ("h", "/a", "h:/a", True),
        ("h", "/a", "h:/a/", True),
        ("::1", "/a", "[::1]:/a", True),
        ("h", "/a", "h:/ab", False),
        ("h", "/a", "i:/a", False),
    ],
)
def test_an_export_is_known_by_its_server_and_path(host: str, path: str, source: str, same: bool) -> None:
    """As the kernel writes them."""
    assert mounted.same(read_pool(NFS.format(host, path)), source) == same


def test_a_file_that_is_mounted_is_known_behind_its_loop_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which mount made for it, so that nobody has named it."""
    monkeypatch.setattr(mounted, "BLOCKS", tmp_path)
    for number, name in ((0, "/a/img"), (1, "/b/img")):
        (tmp_path / f"loop{number}/loop").mkdir(parents=True)
        (tmp_path / f"loop{number}/loop/backing_file").write_text(f"{name}\n")
    source = "<source><device path='/a/img'/></source><target><path>/m</path></target>"
    pool = read_pool(f"<pool type='fs'><name>f</name>{source}</pool>")
    found = [mounted.same(pool, f"/dev/{name}") for name in ("loop0", "loop1", "loop2", "sda")]
    assert found == [True, False, False, False]
    assert mounted.same(pool, "/a/img")


def test_lines_that_name_no_directory_are_no_exports() -> None:
    """What showmount prints beside: a heading, an empty line."""
    assert exports.shown("Export list for h:\n/a *\n\n/b c (everyone)\n") == ("/a", "/b c")
