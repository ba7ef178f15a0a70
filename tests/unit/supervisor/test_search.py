"""Processes found by a text on their command line, with their recorder or without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from embervirt.supervisor import identity, search
from embervirt.supervisor.recorder import Spawned, read_status, reap, spawn

SECONDS = 20.0


@dataclass
class Place:
    """Programs that run until they are told to end, each with the nonce on its command line."""

    directory: Path
    log_fd: int
    nonce: str

    @property
    def status(self) -> Path:
        """Of the last one."""
        return self.directory / "status"

    def start(self) -> Spawned:
        """It reads a FIFO that nobody writes to; its first word in the log says that it executes."""
        said = self.directory / "said"
        os.mkfifo(said)
        code = f"import sys, signal; open({str(said)!r}, 'w').write('up'); signal.pause()"
        spawned = spawn(
            [sys.executable, "-S", "-c", code, self.nonce], status_file=self.status, log_fd=self.log_fd
        )
        assert said.read_text() == "up"
        return spawned


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """With a nonce of its own; whatever still carries it in the end is killed."""
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
    made = Place(tmp_path, log, f'"{uuid.uuid4()}"')
    yield made
    os.close(log)
    assert search.kill_all(made.nonce, SECONDS)


def kill(pid: int) -> None:
    """And see its end."""
    held = identity.hold(pid, identity.start_time(pid) or 0)
    assert held is not None
    try:
        signal.pidfd_send_signal(held, signal.SIGKILL)
        assert identity.wait_exit(held, SECONDS)
    finally:
        os.close(held)


def test_a_program_is_told_from_its_recorder(place: Place) -> None:
    """Both carry the nonce; what is found is as good as what the start had said."""
    spawned = place.start()
    assert sorted(search.carrying(place.nonce)) == sorted([spawned.pid, spawned.recorder_pid])
    found = search.program(place.nonce)
    assert found is not None
    who, again = found
    assert again == spawned
    assert (who.pid, who.start_time, who.nonce) == (spawned.pid, spawned.start, place.nonce)


def test_j09_a_program_whose_recorder_was_killed_is_found(place: Place) -> None:
    """Its recorder then is nobody, who is not waited for; its status stays unknown."""
    spawned = place.start()
    kill(spawned.recorder_pid)
    assert reap(spawned, SECONDS)
    found = search.program(place.nonce)
    assert found is not None
    who, again = found
    assert (who.pid, again.recorder_start) == (spawned.pid, 0)
    assert reap(again, 0)
    kill(spawned.pid)
    assert read_status(place.status) is None


def test_a_recorder_alone_is_no_program(place: Place) -> None:
    """While it writes down how its program ended."""
    spawned = place.start()
    os.kill(spawned.recorder_pid, signal.SIGSTOP)
    kill(spawned.pid)
    assert search.carrying(place.nonce) == [spawned.recorder_pid]
    assert search.program(place.nonce) is None


def test_nobody_carries_a_nonce_that_nobody_has(place: Place) -> None:
    """And then all of them are gone."""
    assert search.carrying(place.nonce) == []
    assert search.program(place.nonce) is None
    assert search.kill_all(place.nonce, 0)
    assert identity.command_line(2**22 + 1) == b""


def test_all_that_carry_it_are_killed_and_nobody_else(place: Place) -> None:
    """Program and recorder, stopped ones too; a neighbour lives."""
    spawned = place.start()
    os.kill(spawned.recorder_pid, signal.SIGSTOP)
    neighbour = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()", "other"])
    try:
        assert search.kill_all(place.nonce, SECONDS)
        assert search.carrying(place.nonce) == []
        assert neighbour.poll() is None
    finally:
        neighbour.kill()
        neighbour.wait()
    assert reap(spawned, SECONDS)


def test_one_that_does_not_end_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that it was given."""
    place.start()
    monkeypatch.setattr(identity, "send_signal", lambda held, number: True)
    assert not search.kill_all(place.nonce, 0.05)
    monkeypatch.undo()
