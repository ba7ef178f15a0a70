"""The watcher of processes: who asked is told how each ended, once, whoever restarts meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from embervirt.actors.actor import Actor, Context, Stop, handles
from embervirt.supervisor.identity import identify
from embervirt.supervisor.processes import (
    PROCESSES_ACTOR,
    Processes,
    ProcessExited,
    Watch,
    Watched,
    describe,
)
from embervirt.supervisor.recorder import Spawned, spawn
from unit.actors.harness import PATIENCE, Reports, Stage, staged


class Guest(Actor):
    """Asks for the watch, and hears of the end."""

    def __init__(self, context: Context, heard: SimpleQueue[ProcessExited]) -> None:
        super().__init__(context)
        self.heard = heard

    @handles(ProcessExited)
    def ended(self, message: ProcessExited) -> None:
        """Known to the test."""
        self.heard.put(message)


class Program:
    """A process under a recorder that ends when the test says how: it reads an exit code from a FIFO."""

    def __init__(self, directory: Path) -> None:
        self.gate, status = directory / "gate", directory / "status"
        os.mkfifo(self.gate)
        log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
        argv = ["/bin/sh", "-c", 'read code <"$0"; exit "$code"', str(self.gate)]
        self.spawned: Spawned = spawn(argv, status_file=status, log_fd=log)
        os.close(log)
        self.input = self.gate.open("w")  # which waits until the program is what it will be, and reads
        identity = identify(self.spawned.pid, str(self.gate))
        assert identity is not None
        self.watched = Watched(identity, self.spawned, str(status))

    def exit(self, code: int) -> None:
        """It ends with this status."""
        self.input.write(f"{code}\n")
        self.input.close()

    def kill(self) -> None:
        """It ends now, if it has not yet, and so does its recorder."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.spawned.pid, signal.SIGKILL)
        self.input.close()
        self.watched.status()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """With the watcher and one that wants to know."""
    with staged() as made:
        yield made


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """One that runs; gone at the end whatever the test did."""
    made = Program(tmp_path)
    yield made
    made.kill()


def watcher(stage: Stage, generation: int = 1) -> tuple[Processes, Reports]:
    """Up."""
    reports = Reports()
    actor = Processes(Context(PROCESSES_ACTOR, generation, stage.bus, reports))
    stage.launch(actor, reports)
    assert reports.is_ready.wait(PATIENCE)
    return actor, reports


def pidfds() -> int:
    """How many of our descriptors hold a process."""
    held = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one of this listing
            held += "pidfd" in str(link.readlink())
    return held


def guest(stage: Stage) -> SimpleQueue[ProcessExited]:
    """What the actor ``guest`` hears."""
    heard: SimpleQueue[ProcessExited] = SimpleQueue()
    reports = Reports()
    stage.launch(Guest(Context("guest", 1, stage.bus, reports), heard), reports)
    assert reports.is_ready.wait(PATIENCE)
    return heard


def test_the_end_is_told_with_the_status(stage: Stage, program: Program) -> None:
    """Without polling; and the descriptor of the watch is closed."""
    watcher(stage)
    heard = guest(stage)
    assert stage.bus.call(PROCESSES_ACTOR, Watch(program.watched, "guest"))
    assert pidfds() == 1
    program.exit(7)
    assert heard.get(timeout=PATIENCE) == ProcessExited(program.spawned.pid, 7)
    assert pidfds() == 0


def test_n07_a_watch_that_gets_no_descriptor_begins_when_there_is_one(
    stage: Stage, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watcher lives meanwhile, and whoever asked is told of the end in time."""
    tried = threading.Event()

    def refuse(pid: int) -> int:
        tried.set()
        raise OSError(errno.EMFILE, "Too many open files")

    watcher(stage)
    heard = guest(stage)
    with monkeypatch.context() as exhausted:
        exhausted.setattr(os, "pidfd_open", refuse)
        assert stage.bus.call(PROCESSES_ACTOR, Watch(program.watched, "guest"))
        assert tried.is_set()
    program.exit(7)
    assert heard.get(timeout=PATIENCE) == ProcessExited(program.spawned.pid, 7)
    assert pidfds() == 0


def test_a_watch_of_one_that_has_ended_is_answered_and_told(stage: Stage, program: Program) -> None:
    """It ended between spawn and watch, or while nobody watched."""
    program.kill()
    watcher(stage)
    heard = guest(stage)
    assert not stage.bus.call(PROCESSES_ACTOR, Watch(program.watched, "guest"))
    assert heard.get(timeout=PATIENCE) == ProcessExited(program.spawned.pid, -signal.SIGKILL)


def test_one_actor_watches_a_process_for_each_role(stage: Stage, program: Program, tmp_path: Path) -> None:
    """A second process in a role of its own; in the same role it takes the place of the first."""
    (tmp_path / "other").mkdir()
    other = Program(tmp_path / "other")
    watcher(stage)
    heard = guest(stage)
    for watched, role in ((program.watched, ""), (program.watched, "tpm"), (other.watched, "tpm")):
        assert stage.bus.call(PROCESSES_ACTOR, Watch(watched, "guest", role=role))
    assert pidfds() == 2
    other.exit(3)
    assert heard.get(timeout=PATIENCE) == ProcessExited(other.spawned.pid, 3)
    program.exit(7)
    assert heard.get(timeout=PATIENCE) == ProcessExited(program.spawned.pid, 7)
    assert (pidfds(), heard.empty()) == (0, True)
    other.watched.status()


def test_the_end_of_the_watcher_is_no_end_of_a_process(stage: Stage, program: Program) -> None:
    """Its descriptors are closed; its successor is asked again, and tells once."""
    actor, reports = watcher(stage)
    heard = guest(stage)
    stage.bus.call(PROCESSES_ACTOR, Watch(program.watched, "guest"))
    actor.post(RuntimeError("boom"))
    reports.exit()
    actor, reports = watcher(stage, 2)
    assert stage.bus.call(PROCESSES_ACTOR, Watch(program.watched, "guest"))
    assert pidfds() == 1
    program.exit(0)
    assert heard.get(timeout=PATIENCE) == ProcessExited(program.spawned.pid, 0)
    actor.post(Stop())
    reports.exit()
    assert heard.empty()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (None, "exit status unknown"),
        (0, "exited with status 0"),
        (7, "exited with status 7"),
        (-9, "killed by signal 9 (SIGKILL)"),
        (-40, "killed by signal 40"),
    ],
)
def test_a_status_in_words(status: int | None, said: str) -> None:
    """Also of a real-time signal, which has no name."""
    assert describe(status) == said
