"""A process is found again only if it is exactly the one that was identified."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from embervirt.supervisor import identity as identities
from embervirt.supervisor.identity import (
    Identity,
    Process,
    has_exited,
    hold,
    identify,
    open_pidfd,
    send_signal,
    start_time,
    wait_exit,
)

pytestmark = pytest.mark.filterwarnings("error")
"""A socket or process that is only collected as garbage is a leak."""


class Blocked:
    """A program that runs until ``release``: it reads a FIFO, whose path is its nonce."""

    def __init__(self, directory: Path, program: str = "/bin/cat") -> None:
        fifo = directory / "gate"
        os.mkfifo(fifo)
        self.nonce = str(fifo)
        self.child = subprocess.Popen([program, self.nonce])
        self._gate = fifo.open("wb", buffering=0)  # returns once the program has opened its end

    @property
    def identity(self) -> Identity:
        """Who it is; it runs."""
        found = identify(self.child.pid, self.nonce)
        assert found is not None
        return found

    def release(self) -> None:
        """Lets it end; it is a zombie then."""
        self._gate.close()

    def reap(self) -> None:
        """Ends and collects it."""
        self.release()
        self.child.wait()


@pytest.fixture
def blocked(tmp_path: Path) -> Iterator[Blocked]:
    """A running program."""
    program = Blocked(tmp_path)
    yield program
    program.reap()


def test_an_identity_survives_its_way_through_a_file(blocked: Blocked) -> None:
    """What was identified, written as JSON and read back still opens exactly that process."""
    found = msgspec.json.decode(msgspec.json.encode(blocked.identity), type=Identity)
    assert found == blocked.identity
    with Process(found, open_pidfd(found) or -1) as process:
        assert process.identity.pid == blocked.child.pid
        assert not process.exited


def test_an_identity_names_the_executable(blocked: Blocked) -> None:
    """``exe`` is device and inode of the file that runs."""
    file = Path("/bin/cat").resolve().stat()
    assert blocked.identity.exe == (file.st_dev, file.st_ino)


@pytest.mark.parametrize("change", [{"start_time": 1}, {"boot_id": "another boot"}, {"nonce": "another"}])
def test_j05_a_reused_pid_is_not_the_process(blocked: Blocked, change: dict[str, object]) -> None:
    """A live process of the same number that differs in start time, boot or nonce is never opened."""
    other = msgspec.structs.replace(blocked.identity, **change)
    assert open_pidfd(other) is None
    assert Process.attach(other) is None


def test_nobody_is_identified_without_the_nonce(blocked: Blocked) -> None:
    """A process whose command line lacks the nonce is not the one that was meant."""
    assert identify(blocked.child.pid, "another") is None


def test_a_zombie_is_gone(blocked: Blocked) -> None:
    """A process that ended is neither identified nor opened, though nobody collected it."""
    was = blocked.identity
    with Process.attach(was) or pytest.fail("it runs") as process:
        blocked.release()
        assert process.wait(10)
    assert identify(was.pid, was.nonce) is None
    assert open_pidfd(was) is None
    zombie = hold(was.pid, was.start_time)
    assert zombie is not None
    os.close(zombie)


def test_a_number_nobody_has_is_gone(blocked: Blocked) -> None:
    """After its collection the process is gone for every question."""
    was = blocked.identity
    blocked.reap()
    assert start_time(was.pid) is None
    assert identify(was.pid, was.nonce) is None
    assert open_pidfd(was) is None


def test_j05_the_number_of_a_thread_is_no_process() -> None:
    """A pid that now names a thread of some process, start time and all, is gone."""
    with ThreadPoolExecutor(1) as pool:
        number = pool.submit(threading.get_native_id).result()
        ticks = start_time(number)
        assert ticks is not None
        assert hold(number, ticks) is None


def test_j05_no_signal_reaches_anyone_after_the_end(blocked: Blocked) -> None:
    """A process that ends between check and signal takes the hold with it: the signal goes nowhere."""
    pidfd = open_pidfd(blocked.identity)
    assert pidfd is not None
    blocked.reap()
    assert send_signal(pidfd, signal.SIGKILL) is False
    os.close(pidfd)


def test_j05_an_end_during_the_checks_is_seen(blocked: Blocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last check is the pidfd itself: a process that ends after its start time was compared is gone."""
    was = blocked.identity

    def ends_meanwhile(pid: int, nonce: str) -> bool:
        blocked.reap()
        return True

    monkeypatch.setattr(identities, "_carries", ends_meanwhile)
    assert open_pidfd(was) is None


def test_a_signal_through_a_hold_arrives(blocked: Blocked) -> None:
    """``Process.signal`` reaches the process, and ``wait`` sees the end it brings."""
    with Process.attach(blocked.identity) or pytest.fail("it runs") as process:
        assert process.wait(0) is False
        assert process.signal(signal.SIGTERM) is True
        assert process.wait(10) is True
        assert process.exited
    assert blocked.child.wait() == -signal.SIGTERM


def test_a_wait_ends_at_its_time(blocked: Blocked) -> None:
    """A wait for a process that goes on ends without it, also with a time that has passed."""
    pidfd = open_pidfd(blocked.identity)
    assert pidfd is not None
    assert wait_exit(pidfd, 0.01) is False
    assert wait_exit(pidfd, -1) is False
    assert has_exited(pidfd) is False
    os.close(pidfd)


def test_a_closed_hold_is_an_error_not_an_end(blocked: Blocked) -> None:
    """Whoever asks through a descriptor that was closed is told so, and never that the process ended."""
    process = Process.attach(blocked.identity)
    assert process is not None
    pidfd = process.fileno()
    process.close()
    process.close()
    with pytest.raises(OSError, match="closed before"):
        wait_exit(pidfd, 0)
    with pytest.raises(ValueError, match="negative"):
        process.wait(0)


def test_a_hold_is_not_inherited(blocked: Blocked) -> None:
    """The descriptor is close-on-exec."""
    with Process.attach(blocked.identity) or pytest.fail("it runs") as process:
        assert os.get_inheritable(process.fileno()) is False


def test_a_strange_name_does_not_move_the_fields(tmp_path: Path) -> None:
    """A program called ``x) R 1 (y`` is identified by its start time and not by a word of its name."""
    named = tmp_path / "x) R 1 (y"
    shutil.copy("/bin/cat", named)
    program = Blocked(tmp_path, str(named))
    assert program.identity.start_time > identities.start_time(1)  # type: ignore[operator]
    assert identities.parent(program.child.pid) == os.getpid()
    program.reap()


def test_the_start_time_outlives_an_exec(tmp_path: Path) -> None:
    """A process that executes another program keeps its start time."""
    fifo = tmp_path / "gate"
    os.mkfifo(fifo)
    script = f"read go; exec cat {fifo}"
    with subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE) as child:
        before = start_time(child.pid)
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
        with fifo.open("wb"):
            assert Path(f"/proc/{child.pid}/comm").read_text() == "cat\n"
            assert start_time(child.pid) == before


@pytest.mark.parametrize("pid", [0, -1, 4194305, 1 << 40])
def test_a_file_with_an_impossible_pid_is_refused(pid: int) -> None:
    """A persisted identity whose pid no process can have does not decode."""
    text = msgspec.json.encode({"boot_id": "b", "pid": pid, "start_time": 1, "exe": [1, 2], "nonce": "n"})
    with pytest.raises(msgspec.ValidationError, match="pid"):
        msgspec.json.decode(text, type=Identity)
