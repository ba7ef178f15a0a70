"""Drives a soak: programs that come and go, faults from outside, the judge; never uses embervirt itself."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil

from soak.counter import Moment, moment, ticks, wrong
from soak.eyes import Eyes, last_event, sample
from soak.growth import ENOUGH, RULES, Growth, Sample, growth
from soak.history import Reader
from soak.judge import Judge
from soak.nemesis import COUNTER, Nemesis, Shape

TESTS = Path(__file__).resolve().parents[1]
PATH = os.environ.get("PYTHONPATH", "").split(os.pathsep)
OPENS = 180.0
"""Seconds in which a program is at work; the first one boots the counter, on a busy machine."""

ENDS = 200.0
"""Seconds in which a program ends in order: the longest deadline of a call twice, and other waits."""

SETTINGS = {
    "EMBERVIRT_QEMU_QMP_TIMEOUT": "2",
    "EMBERVIRT_SUPERVISION_DRIVER_INTENSITY": "10000",
    "EMBERVIRT_SUPERVISION_GUEST_INTENSITY": "10000",
    "EMBERVIRT_EVENTS_JOURNAL_SIZE": "200",
}
"""Time-outs that what is stopped exceeds, budgets that no storm uses up, a journal that is soon full."""


@dataclass
class Soak:
    """One run in a directory of its own: ``root`` is the root, histories are beside it."""

    shape: Shape
    root: Path
    histories: Path
    progress: Callable[[Soak], None] = lambda soak: None
    samples: list[Sample] = field(default_factory=list)
    programs: int = 0

    def __post_init__(self) -> None:
        domains = [f"d{number}" for number in range(self.shape.domains)]
        self.random = random.Random(f"{self.shape.seed} driver")
        self.judge, self.eyes = Judge([*domains, COUNTER]), Eyes(self.root)
        self.begun = time.monotonic()
        self.nemesis = Nemesis(self.shape, self.eyes, self.judge.fault)
        self._console = self.root / "log/qemu" / f"{COUNTER}.console"
        self._first: Moment | None = None

    # The whole.

    def run(self) -> list[str]:
        """What went wrong, in words; nothing, if all is well. Leaves no process behind."""
        self.begun = time.monotonic()
        try:
            for seconds, killed in self._lives():
                if self.judge.problems:
                    break
                self._program(max(1.0, seconds), killed)
            self._last_look()
        finally:
            self.eyes.end()
        self.judge.problems += [f"{each.name} grows: {each}" for each in self.grown() if not each.flat]
        return self.judge.problems

    def grown(self) -> list[Growth]:
        """Of what the program that stayed used; nothing for a run too short to tell."""
        return [growth(name, self.samples) for name in RULES] if len(self.samples) >= ENOUGH else []

    def _lives(self) -> Iterator[tuple[float, bool]]:
        """How long each program lives, and whether it is killed then; the last one is not."""
        end = self.begun + self.shape.killed_share * self.shape.seconds
        while time.monotonic() < end:
            seconds = min(self.random.uniform(*self.shape.lives), end - time.monotonic())
            yield seconds, self.random.random() < 0.8
        yield self.begun + self.shape.seconds - time.monotonic(), False

    # One program.

    def _program(self, seconds: float, killed: bool) -> None:
        self.programs += 1
        history = self.histories / f"{self.programs}.jsonl"
        history.touch(mode=0o600)
        reader, last = Reader(history), time.monotonic() + seconds >= self.begun + self.shape.seconds - 1
        program = self._spawn(history)
        try:
            if self._ready(program, reader):
                self._watch(program, reader, time.monotonic() + seconds, measured=last)
                self._end_program(program, reader, killed)
        finally:
            program.kill()
            program.wait()
            assert program.stdin and program.stdout
            program.stdin.close()
            program.stdout.close()

    def _spawn(self, history: Path) -> subprocess.Popen[bytes]:
        shape = self.shape
        plan = {
            **{key: getattr(shape, key) for key in ("threads", "domains", "crash", "reopen", "pause")},
            "root": str(self.root),
            "history": str(history),
            "seed": f"{shape.seed} {self.programs}",
            "since": self.judge.story.seq,
            "first": self.programs * 10_000_000,
            "boot": self.programs == 1,
        }
        with history.with_suffix(".log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "soak.agent", msgspec.json.encode(plan).decode()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **SETTINGS, "PYTHONPATH": os.pathsep.join([str(TESTS), *PATH])},
            )

    def _ready(self, program: subprocess.Popen[bytes], reader: Reader) -> bool:
        """Faults begin only when the first program is at work, and then never rest."""
        deadline, said = time.monotonic() + OPENS, b""
        assert program.stdout
        while not said and time.monotonic() < deadline:
            ready = select.select([program.stdout], [], [], 0.1)[0]
            said = program.stdout.readline() if ready else b""
            if self.programs > 1:
                self._step(reader)
            if ready and not said:
                break
        if said != b"ready\n":
            self._failed(reader, "did not get to work")
        elif self._first is None:
            self._first = moment(self._console)
        return said == b"ready\n"

    def _failed(self, reader: Reader, how: str) -> None:
        """The program's own words go with it."""
        log = reader.path.with_suffix(".log").read_text(errors="replace")
        self.judge.problems.append(f"program {self.programs} {how}: {log[-3000:]}")

    def _watch(
        self, program: subprocess.Popen[bytes], reader: Reader, until: float, *, measured: bool
    ) -> None:
        next_sample = time.monotonic() + 2.0
        while time.monotonic() < until and not self.judge.problems:
            self._step(reader, program)
            if program.poll() is not None:
                self._failed(reader, "ended by itself")
            elif measured and time.monotonic() > next_sample:
                self.samples.append(sample(program.pid, self.root, len(self.eyes.alive)))
                next_sample += 1.0
            select.select([], [], [], 0.15)

    def _step(self, reader: Reader, program: subprocess.Popen[bytes] | None = None) -> None:
        """One look, and the faults that are due."""
        self._look(reader)
        self.nemesis.strike(program)
        self.progress(self)

    def _look(self, reader: Reader) -> None:
        self.judge.gone(self.eyes.look())
        self.judge.problems += self.eyes.doubled()
        self.judge.hear(reader.lines())
        self.judge.judge()

    def _end_program(self, program: subprocess.Popen[bytes], reader: Reader, killed: bool) -> None:
        assert program.stdin
        if killed:
            program.kill()
        else:
            self.nemesis.rest()
            program.stdin.close()
        deadline = time.monotonic() + ENDS
        while program.poll() is None and time.monotonic() < deadline:
            self._look(reader)
            select.select([], [], [], 0.05)
        if program.returncode != (-signal.SIGKILL if killed else 0):
            self._failed(reader, f"ended with {program.returncode}")
        self.judge.hear(reader.lines())
        left = last_event(self.root) if killed else 0
        self.judge.program_ended(time.monotonic(), killed=killed, left=left)

    # The end.

    def _last_look(self) -> None:
        self.judge.gone(self.eyes.look())
        if self.judge.problems:
            return
        self.judge.finish({qemu.name: qemu.run for qemu in self.eyes.alive.values()})
        self.judge.problems += self._stale()
        last = moment(self._console)
        numbers = [number for _, number in ticks(self._console)]
        self.judge.problems += wrong(numbers, self._first, last)

    def _stale(self) -> Iterator[str]:
        """Files of runs that are over."""
        alive = {f"domain-{qemu.run}-{qemu.name}" for qemu in self.eyes.alive.values()}
        names = {f"{qemu.name}.json" for qemu in self.eyes.alive.values()}
        runs = {path.name for path in (self.root / "lib/qemu").glob("domain-*")} - alive
        records = {path.name for path in (self.root / "run/qemu").glob("*.json")} - names
        if runs or records:
            yield f"files of guests that are gone: {sorted(runs | records)}"

    def left(self) -> list[str]:
        """Processes that still have to do with the root."""
        found = []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            if process.pid != os.getpid() and any(f"{self.root}/" in word for word in words):
                found.append(f"{process.pid} {' '.join(words)[:200]}")
        return found
