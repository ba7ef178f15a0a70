"""The lock of a root, within one process and towards forked children."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from counted import descriptors
from embervirt.drivers.root.lock import RootLock
from embervirt.drivers.root.owner import Owner
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import RootBusy, SystemError_


def test_the_lock_file_says_who_owns_the_root(tmp_path: Path) -> None:
    """Pid, start time, boot and command; libvirt's files hold the bare pid."""
    paths = RootPaths(tmp_path)
    lock = RootLock.acquire(paths)
    assert Owner.parse(paths.lock_file) == Owner.myself()
    assert [path.read_text() for path in paths.libvirt_locks] == [str(os.getpid())] * 2
    lock.release()


def test_k01_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    """Libvirt's code 38, errno 11 and words, then pid, start time and command; no descriptor stays open."""
    paths = RootPaths(tmp_path)
    lock = RootLock.acquire(paths)
    before = descriptors()
    with pytest.raises(RootBusy) as caught:
        RootLock.acquire(paths)
    owner, text = Owner.myself(), str(caught.value)
    start = f"Failed to acquire pid file '{tmp_path}/run/qemu/driver.pid': Resource temporarily unavailable"
    assert text.startswith(start)
    assert all(part in text for part in (f"process {os.getpid()}", owner.since, owner.command))
    assert (caught.value.get_error_code(), caught.value.get_int1()) == (38, 11)
    assert descriptors() <= before
    lock.release()


def test_a_released_root_can_be_taken_again(tmp_path: Path) -> None:
    """Ten times, without a descriptor more; a second release does nothing."""
    before = descriptors()
    for _ in range(10):
        lock = RootLock.acquire(RootPaths(tmp_path))
        lock.release()
        lock.release()
    assert descriptors() <= before


def test_k03_an_unrelated_close_of_the_lock_files_gives_nothing_away(tmp_path: Path) -> None:
    """The host program may read them; a plain fcntl lock would be lost by that."""
    paths = RootPaths(tmp_path)
    lock = RootLock.acquire(paths)
    for path in (paths.lock_file, *paths.libvirt_locks):
        path.read_bytes()
    with paths.libvirt_locks[0].open("r+") as file, pytest.raises(BlockingIOError):
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
    with pytest.raises(RootBusy):
        RootLock.acquire(paths)
    lock.release()


def test_k05_a_forked_child_neither_holds_nor_drops_the_lock(tmp_path: Path) -> None:
    """The child has no descriptor of it; when it ends the parent is the owner still."""
    paths = RootPaths(tmp_path)
    lock = RootLock.acquire(paths)
    pid = os.fork()
    if pid == 0:
        os._exit(1 if lock.descriptors else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with pytest.raises(RootBusy):
        RootLock.acquire(paths)
    lock.release()


def test_the_lock_outlives_no_owner_through_its_children(tmp_path: Path) -> None:
    """A child that lives on does not keep the root locked after the parent gave it up."""
    lock = RootLock.acquire(RootPaths(tmp_path))
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    lock.release()
    again = RootLock.acquire(RootPaths(tmp_path))
    os.close(write)
    assert os.waitpid(pid, 0) == (pid, 0)
    again.release()


def test_a_removed_pid_file_locks_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libvirt removes its file on close: a lock won on the removed file is not believed."""
    paths = RootPaths(tmp_path)
    real, removed = fcntl.flock, [False]

    def flock(descriptor: int, how: int) -> None:
        real(descriptor, how)
        if not removed[0]:
            removed[0] = True
            paths.lock_file.unlink()

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = RootLock.acquire(paths)
    assert os.path.samestat(os.fstat(lock.descriptors[0]), paths.lock_file.stat())
    lock.release()


@pytest.mark.parametrize(
    "content", [b"", b"\xff\x00garbage", b"pid 1\n", b"pid x\nticks 1\nboot b\nsince s\ncommand c"]
)
def test_a_garbled_lock_file_names_nobody(tmp_path: Path, content: bytes) -> None:
    """The lock itself still holds, and is free once its owner is gone."""
    paths = RootPaths(tmp_path)
    lock = RootLock.acquire(paths)
    paths.lock_file.write_bytes(content)
    assert Owner.parse(paths.lock_file) is None
    with pytest.raises(RootBusy, match="owned by another process"):
        RootLock.acquire(paths)
    lock.release()
    RootLock.acquire(paths).release()


def test_the_name_of_a_process_long_dead_is_not_told(tmp_path: Path) -> None:
    """Its pid may be another's by now; the start time tells."""
    me = Owner.myself()
    file = tmp_path / "lock"
    file.write_text(Owner(me.pid, me.ticks + 1, me.boot, me.since, "old").text())
    assert Owner.parse(file) is None
    file.write_text(Owner(me.pid, me.ticks, "another-boot", me.since, "old").text())
    assert Owner.parse(file) is None


def test_a_link_in_place_of_the_lock_file_is_refused(tmp_path: Path) -> None:
    """Nothing is written through it, and no descriptor stays open."""
    paths = RootPaths(tmp_path / "root")
    paths.lock_file.parent.mkdir(parents=True)
    paths.lock_file.symlink_to(tmp_path / "elsewhere")
    before = descriptors()
    with pytest.raises(SystemError_, match=r"Failed to open pid file .*embervirt\.lock"):
        RootLock.acquire(paths)
    assert not (tmp_path / "elsewhere").exists()
    assert descriptors() <= before
