"""Files of a root are whole after any failure and any crash."""

from __future__ import annotations

import errno
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from embervirt import disk, faults
from embervirt.drivers.root import files
from embervirt.drivers.root.errors import FileRefused
from embervirt.errors import SystemError_

CALLS = ("open", "fchmod", "write", "fsync", "close", "link", "rename", "unlink")
OLD, NEW = b"old", b"new content"


class Faults:
    """Counts the system calls of ``CALLS`` and, at number ``at``, does ``act`` instead of (or after) it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any], at: int = -1) -> None:
        self.names: list[str] = []
        self.act, self.at = act, at
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.names.append(name)
            if len(self.names) - 1 == self.at:
                if name == "close":
                    real(*args, **kwargs)
                self.act()
            return real(*args, **kwargs)

        return call


def raises(code: int) -> Callable[[], None]:
    """An act that fails as the kernel would."""

    def act() -> None:
        raise OSError(code, os.strerror(code))

    return act


def calls_of(change: Callable[[], None]) -> list[str]:
    """The system calls that ``change`` makes."""
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch, lambda: None)
        change()
    return faults.names


def leftovers(directory: Path) -> list[str]:
    """Files that nobody asked for."""
    return [path.name for path in directory.iterdir() if path.name != "file"]


def test_a_write_replaces_the_content(tmp_path: Path) -> None:
    """New and existing files, durable or not; nothing else stays in the directory."""
    for durable in (True, False):
        for data in (OLD, NEW, b""):
            files.write(tmp_path / "file", data, durable=durable)
            assert files.read(tmp_path / "file") == data
    assert leftovers(tmp_path) == []


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may take one byte at a time."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:1]))
    files.write(tmp_path / "file", NEW, durable=False)
    assert files.read(tmp_path / "file") == NEW


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_modes_are_exact_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """Files 0600, directories 0700; a directory that exists is left as it is."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine").chmod(0o711)
    before = os.umask(umask)
    try:
        files.make_directories([tmp_path / "a/b", tmp_path / "mine"])
        files.write(tmp_path / "a/file", NEW, durable=True)
        files.write(tmp_path / "a/open", NEW, durable=False, mode=0o644)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o7777 for name in ("a", "a/b", "a/file", "a/open", "mine")]
    assert modes == [0o700, 0o700, 0o600, 0o644, 0o711]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("existed", [True, False])
def test_k07_a_failure_of_any_call_leaves_the_old_file(tmp_path: Path, code: int, existed: bool) -> None:
    """The error names the file and the errno; no temporary stays; the next write works."""
    file = tmp_path / "file"
    steps = calls_of(lambda: files.write(file, NEW, durable=True))
    assert steps.count("fsync") == 2
    for at, name in enumerate(steps):
        if name == "unlink":
            continue
        with pytest.MonkeyPatch.context() as patch:
            file.write_bytes(OLD) if existed else file.unlink(missing_ok=True)
            Faults(patch, raises(code), at)
            with pytest.raises(SystemError_, match=f"cannot write '{file}': {os.strerror(code)}") as caught:
                files.write(file, NEW, durable=True)
        assert caught.value.get_int1() == code
        assert (file.read_bytes() if file.exists() else None) == (OLD if existed else None), f"{name} ({at})"
        assert leftovers(tmp_path) == [], name
    files.write(file, NEW, durable=True)
    assert files.read(file) == NEW


def test_k07_a_failed_removal_leaves_the_file(tmp_path: Path) -> None:
    """Also when only the directory could not be synced."""
    file = tmp_path / "file"
    file.write_bytes(OLD)
    for at, name in enumerate(calls_of(lambda: files.remove(file, durable=True))[:-1]):
        file.write_bytes(OLD)
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, raises(errno.EIO), at)
            with pytest.raises(SystemError_, match="cannot remove"):
                files.remove(file, durable=True)
        assert file.read_bytes() == OLD, name
        assert leftovers(tmp_path) == []


@pytest.mark.parametrize("point", ["file.synced", "directory.synced"])
def test_k08_a_sync_that_failed_once_is_not_believed_when_it_works_again(tmp_path: Path, point: str) -> None:
    """The write failed, the old content is in place; no descriptor is synced twice, a new file is made."""
    file, synced = tmp_path / "file", []
    file.write_bytes(OLD)
    real = disk.sync

    def sync(opened: disk.File) -> None:
        synced.append(opened.path)
        real(opened)

    with disk.substituted(sync=sync), faults.inject(point, faults.error(errno.EIO), times=1) as failed:
        with pytest.raises(SystemError_, match=f"cannot write '{file}'"):
            files.write(file, NEW, durable=True)
        assert (failed.hits, file.read_bytes(), leftovers(tmp_path)) == (1, OLD, [])
        files.write(file, NEW, durable=True)
    assert file.read_bytes() == NEW
    assert len(synced) == len(set(synced)) == 2


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    """Removal is idempotent."""
    files.remove(tmp_path / "file", durable=True)
    assert leftovers(tmp_path) == []


def _in_child(work: Callable[[], None]) -> int:
    """Exit status of a forked child that does ``work``."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_k09_a_crash_at_any_call_of_a_write_leaves_old_or_new_content(tmp_path: Path) -> None:
    """Never a torn file; ``sweep`` removes what the dead process left, and nothing else."""
    file = tmp_path / "file"
    file.write_bytes(OLD)
    steps = calls_of(lambda: files.write(file, NEW, durable=True))
    seen = set()
    for at in range(len(steps)):
        file.write_bytes(OLD)

        def work(at: int = at) -> None:
            with pytest.MonkeyPatch.context() as patch:
                Faults(patch, lambda: os._exit(9), at)
                files.write(file, NEW, durable=True)

        assert _in_child(work) == 9
        seen.add(files.read(file))
        files.sweep(tmp_path)
        assert leftovers(tmp_path) == []
    assert seen == {OLD, NEW}


def test_a_file_system_without_hard_links_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the undo of a failed directory sync needs one."""
    file = tmp_path / "file"
    file.write_bytes(OLD)

    def link(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    files.write(file, NEW, durable=True)
    assert files.read(file) == NEW
    assert leftovers(tmp_path) == []


class GivenUpError(Exception):
    """What the fence of this test raises."""


class ClosedFence:
    """Of a generation that was given up."""

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Refuse."""
        raise GivenUpError
        yield


@pytest.mark.parametrize("durable", [True, False])
def test_a_fenced_writer_changes_nothing(tmp_path: Path, durable: bool) -> None:
    """Neither write nor removal happens, and no temporary stays."""
    file = tmp_path / "file"
    file.write_bytes(OLD)
    with pytest.raises(GivenUpError):
        files.write(file, NEW, durable=durable, fence=ClosedFence())
    with pytest.raises(GivenUpError):
        files.remove(file, durable=durable, fence=ClosedFence())
    assert file.read_bytes() == OLD
    assert leftovers(tmp_path) == []


def test_a_missing_file_is_a_system_error_with_its_errno(tmp_path: Path) -> None:
    """``int1`` tells it from other failures."""
    with pytest.raises(SystemError_, match=r"cannot read .*No such file") as caught:
        files.read(tmp_path / "file")
    assert caught.value.get_int1() == errno.ENOENT


def test_only_plain_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    """A FIFO, a directory, a link and a huge file are refused at once, each named."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "huge").write_bytes(b"x" * 11)
    for name, reason in [
        ("fifo", "not a regular file"),
        ("directory", "not a regular file"),
        ("link", "symbolic link"),
        ("huge", "11 bytes, at most 10"),
    ]:
        with pytest.raises(FileRefused, match=f"{name}.*{reason}"):
            files.read(tmp_path / name, limit=10)
    (tmp_path / "huge").write_bytes(b"x" * 10)
    assert len(files.read(tmp_path / "huge", limit=10)) == 10


def test_a_small_file_is_read_into_a_small_buffer(tmp_path: Path) -> None:
    """Each actor's thread reads: what malloc keeps of large buffers there would be many times that."""
    (tmp_path / "file").write_bytes(b"x" * 1000)
    files.read(tmp_path / "file")
    tracemalloc.start()
    try:
        assert files.read(tmp_path / "file") == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_a_stranger_is_refused(tmp_path: Path) -> None:
    """Another user's file in our directory is not ours; in his own directory it is his root."""
    file = tmp_path / "file"
    file.write_bytes(NEW)
    os.chown(file, 12345, -1)
    with pytest.raises(FileRefused, match="belongs to user 12345"):
        files.read(file)
    os.chown(tmp_path, 12345, -1)
    assert files.read(file) == NEW


def test_a_path_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where a directory should be."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SystemError_, match=r"create directory '.*file/sub'") as caught:
        files.make_directories([tmp_path / "file/sub"])
    assert caught.value.get_int1() in (errno.ENOTDIR, errno.EEXIST)


def test_a_link_is_made_in_the_place_of_another(tmp_path: Path) -> None:
    """At once, with nothing beside it, also where it led nowhere before."""
    link = tmp_path / "a.xml"
    files.point(link, tmp_path / "none", durable=True)
    files.point(link, tmp_path / "other", durable=True)
    assert str(link.readlink()) == str(tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["a.xml"]


def test_a_link_that_cannot_be_made_leaves_the_old_one(tmp_path: Path) -> None:
    """On a full disk say; the error names it."""
    link = tmp_path / "a.xml"
    files.point(link, tmp_path / "old", durable=True)
    with (
        faults.inject("file.renamed", faults.error(errno.ENOSPC)),
        pytest.raises(SystemError_, match=r"a\.xml") as full,
    ):
        files.point(link, tmp_path / "new", durable=True)
    assert full.value.get_int1() == errno.ENOSPC
    assert str(link.readlink()) == str(tmp_path / "old")
    assert [path.name for path in tmp_path.iterdir()] == ["a.xml"]


def test_a_file_or_directory_gets_another_name(tmp_path: Path) -> None:
    """With all that is in it; what is not there is no error."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old/x").touch()
    files.move(tmp_path / "old", tmp_path / "new")
    files.move(tmp_path / "old", tmp_path / "newer")
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "x"]


def test_the_name_of_a_temporary_file_is_not_interned(tmp_path: Path) -> None:
    """Millions of them, that nobody asks for again, would pass through the interpreter's table."""
    staged: list[Path] = []

    def seen(path: Path, target: Path) -> None:
        staged.append(path)
        path.rename(target)

    with disk.substituted(rename=seen):
        files.write(tmp_path / "file", NEW, durable=True)
    fresh = "".join(list(staged[0].name))
    assert sys.intern(fresh) is fresh
