"""A test's side of the fake QEMU: the program to give to embervirt, its script, and what it was told."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embervirt.supervisor.identity import has_exited, hold
from embervirt.testing.actions import Action
from embervirt.testing.script import NOW, Rule

PACKAGES = Path(__file__).parents[2]
"""The directory that ``embervirt`` is imported from."""

START = "import sys; sys.path.insert(0, {!r}); from embervirt.testing.program import main; main()"
LAUNCHER = """\
#!/bin/sh
exec {python} -I -S -c {start} {directory} {version} "$@"
"""
"""``-I -S``: neither the environment nor installed packages matter, and the start is twice as fast."""

LOOK = 0.005
"""Seconds between two looks at the log."""


@dataclass(frozen=True)
class Entry:
    """Something that happened to a fake QEMU, or that it did.

    ``what`` is ``spawn``, ``connect``, ``command`` (``name`` is the command's), ``disconnect``, ``signal``
    (``name`` as in SIGTERM) or ``exit`` (``name`` is the status, minus the number of a signal). ``at`` is on
    ``time.monotonic``. ``guest`` is the guest's name, or "" while it is asked what it can do. ``argv`` and
    ``start``, the start time of the process (proc(5)), are those of ``spawn``.
    """

    at: float
    pid: int
    guest: str
    what: str
    name: str = ""
    arguments: dict[str, Any] | None = None
    argv: list[str] = field(default_factory=list)
    start: int = 0


class FakeQemu:
    """A program that passes for QEMU, in ``directory``, which it makes; and the script of all its processes.

    ``emulator`` goes where an emulator is asked for, as the setting ``qemu.emulator``. ``version`` is what it
    says it is. Any number of guests may run with it; ``guest=`` chooses one by name.
    """

    def __init__(self, directory: Path, *, version: tuple[int, int, int] = (7, 2, 0)) -> None:
        self.directory = directory.resolve()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.emulator = self.directory / "qemu-system-x86_64"
        self._log = self.directory / "log.jsonl"
        self._rules: list[Rule] = []
        self._made = 0
        self._lock = threading.Lock()
        self._log.touch(mode=0o600)
        self._write()
        self.emulator.write_text(self._launcher(".".join(map(str, version))))
        self.emulator.chmod(0o700)

    def _launcher(self, version: str) -> str:
        return LAUNCHER.format(
            python=shlex.quote(str(Path(sys.executable).resolve())),
            start=shlex.quote(START.format(str(PACKAGES))),
            directory=shlex.quote(str(self.directory)),
            version=version,
        )

    # The script.

    def on(
        self, step: str, *actions: Action, guest: str | None = None, after: int = 0, times: int | None = None
    ) -> None:
        """From now on do this at ``step``, see ``embervirt.testing.actions``; also in processes that run.

        ``guest`` None is every guest, ``PROBE`` the processes that are only asked what they can do. The first
        ``after`` times nothing happens, then ``times`` times, or always. Each process counts for itself, from
        when it meets the rule; ``spawn`` is counted over all processes. Of several rules the last one counts.
        """
        self._add(step, actions, guest=guest, after=after, times=times, since=self._log.stat().st_size)

    def _add(self, step: str, actions: tuple[Action, ...], **rest: Any) -> None:
        done = [(action.name, dict(action.arguments)) for action in actions]
        with self._lock:
            self._made += 1
            self._rules.append({"id": self._made, "step": step, "do": done, **rest})
            self._write()

    def clear(self) -> None:
        """Forget all rules: from now on it behaves."""
        with self._lock:
            self._rules = []
            self._write()

    def _write(self) -> None:
        new = self.directory / "script.new"
        new.write_text(json.dumps(self._rules))
        new.replace(self.directory / "script.json")

    def now(self, *actions: Action, guest: str | None = None, pid: int | None = None) -> None:
        """Do this at once, in the processes that run: all, those of one guest, or one."""
        running = [
            entry
            for entry in self.running()
            if pid in (None, entry.pid) and guest in (None, entry.guest) and entry.guest
        ]
        self._add(NOW, actions, guest=guest, pids=[entry.pid for entry in running])
        for entry in running:
            _signal(entry, signal.SIGUSR2)

    # What it was told.

    def log(self, what: str | None = None, guest: str | None = None) -> list[Entry]:
        """What happened so far, oldest first: all of it, or of one kind, or of one guest."""
        lines = self._log.read_bytes().split(b"\n")[:-1]
        entries = [Entry(**json.loads(line)) for line in lines]
        return [each for each in entries if what in (None, each.what) and guest in (None, each.guest)]

    def commands(self, guest: str | None = None) -> list[str]:
        """The names of the commands that guests were sent, in their order; not those of probes."""
        return [each.name for each in self.log("command", guest) if each.guest]

    def wait(self, fits: Callable[[Entry], bool], *, count: int = 1, seconds: float = 30.0) -> list[Entry]:
        """Waits until the log has ``count`` fitting entries; those. Raises TimeoutError."""
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while len(found := [each for each in self.log() if fits(each)]) < count:
            if time.monotonic() > deadline:
                last = self.log()[-5:]
                raise TimeoutError(f"{len(found)} of {count} entries within {seconds:g} s; the last: {last}")
            pause.wait(LOOK)
        return found

    def wait_for(self, step: str, *, count: int = 1, seconds: float = 30.0) -> list[Entry]:
        """Waits until a guest has come to ``step``, a command's name or a kind of entry, that many times."""

        def fits(each: Entry) -> bool:
            return bool(each.guest) and step in (each.what, each.name)

        return self.wait(fits, count=count, seconds=seconds)

    # Its processes.

    def running(self, guest: str | None = None) -> list[Entry]:
        """The ``spawn`` entries of the processes that have not ended."""
        return [entry for entry in self.log("spawn", guest) if _signal(entry, None)]

    def kill(self, guest: str | None = None, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to exactly those of its processes that run, or to those of one guest."""
        for entry in self.running(guest):
            _signal(entry, number)


def _signal(entry: Entry, number: signal.Signals | None) -> bool:
    """Whether that very process runs; it then gets the signal. No fault point is passed on the way."""
    pidfd = hold(entry.pid, entry.start)
    if pidfd is None:
        return False
    try:
        runs = not has_exited(pidfd)
        if runs and number is not None:
            signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return runs
