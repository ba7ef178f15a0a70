"""A directory that is held is the only one written below its path; what is unusable gets out of the way."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embervirt import disk
from embervirt.disk import UnusableError


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """With a file and an open file in it."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "file").write_text("old")
    disk.hold(root)
    yield root
    disk.let_go(root)
    disk.let_go(root)


def written(root: Path) -> Callable[[], object]:
    """A write to a file that is open already."""
    file = disk.append_to(root / "file")

    def write() -> None:
        try:
            disk.write(file, b"new")
        finally:
            disk.close(file)

    return write


def changes(root: Path) -> dict[str, Callable[[], object]]:
    """Each kind of change below a root."""
    return {
        "create": lambda: disk.close(disk.create(root / "new")),
        "append": lambda: disk.close(disk.append_to(root / "file")),
        "write": written(root),
        "lock": lambda: disk.close(disk.open_lock(root / "lock")),
        "rename": lambda: disk.rename(root / "file", root / "sub/file"),
        "link": lambda: disk.link(root / "file", root / "second"),
        "unlink": lambda: disk.unlink(root / "file"),
        "directory": lambda: disk.make_directory(root / "directory"),
        "remove directory": lambda: disk.remove_directory(root / "sub"),
        "remove tree": lambda: disk.remove_tree(root / "sub"),
    }


KINDS = (
    *("create", "append", "write", "lock", "rename", "link", "unlink", "directory"),
    *("remove directory", "remove tree"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_k06_no_change_reaches_another_directory_of_that_name(held: Path, kind: str) -> None:
    """Neither a copy in its place nor the moved one is touched; the same change works when it is back."""
    away, change = held.with_name("away"), changes(held)[kind]
    held.rename(away)
    (held / "sub").mkdir(parents=True)
    (held / "file").write_text("foreign")
    before = sorted(str(path) for path in held.parent.rglob("*"))
    with pytest.raises(OSError, match="no longer the directory that was opened") as refused:
        change()
    assert refused.value.errno == errno.ESTALE
    assert sorted(str(path) for path in held.parent.rglob("*")) == before
    assert ((held / "file").read_text(), (away / "file").read_text()) == ("foreign", "old")
    (held / "file").unlink()
    (held / "sub").rmdir()
    held.rmdir()
    away.rename(held)
    changes(held)[kind]()


@pytest.mark.parametrize("instead", ["nothing", "a file", "a link"])
def test_k06_whatever_takes_its_place_is_not_it(held: Path, instead: str) -> None:
    """Also a link to the very directory is fine, for it is that one."""
    away = held.rename(held.with_name("away"))
    if instead == "a file":
        held.write_text("")
    if instead == "a link":
        held.symlink_to(away)
        disk.close(disk.create(held / "new"))
        assert (away / "new").exists()
        return
    with pytest.raises(OSError, match="no longer the directory"):
        disk.create(held / "new")


def test_a_neighbour_whose_name_begins_the_same_is_not_held(held: Path) -> None:
    """``root2`` is no part of ``root``."""
    neighbour = held.with_name("root2")
    neighbour.mkdir()
    held.rename(held.with_name("away"))
    disk.close(disk.create(neighbour / "file"))
    disk.let_go(held)
    held.mkdir()
    disk.close(disk.create(held / "file"))
    assert (neighbour / "file").exists() and (held / "file").exists()


def test_k12_only_a_plain_file_of_bounded_size_is_read(tmp_path: Path) -> None:
    """At once, whatever is there; what is not there is told apart."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b"x" * 11)
    (tmp_path / "good").write_bytes(b"x" * 10)
    for name in ("fifo", "folder", "link", "large"):
        with pytest.raises(UnusableError):
            disk.read(tmp_path / name, 10)
    with pytest.raises(FileNotFoundError):
        disk.read(tmp_path / "none", 10)
    assert disk.read(tmp_path / "good", 10) == b"x" * 10


def test_k12_what_is_set_aside_is_kept(tmp_path: Path) -> None:
    """Each time under a name of its own, whatever it is."""
    for content in ("first", "second"):
        (tmp_path / "file").write_text(content)
        disk.set_aside(tmp_path / "file")
    (tmp_path / "file").mkdir()
    disk.set_aside(tmp_path / "file")
    (tmp_path / "file").symlink_to("/nowhere")
    disk.set_aside(tmp_path / "file")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"file.unusable-{n}" for n in (1, 2, 3, 4)]
    assert [(tmp_path / name).read_text() for name in names[:2]] == ["first", "second"]
