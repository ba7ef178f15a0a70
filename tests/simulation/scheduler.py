"""Simulated threads under one seeded scheduler in virtual time: the same seed, the same run.

A thread is a greenlet, and exactly one runs at a time. Every wait switches to the scheduler, which draws who
goes on; so do, now and then, the places where a real thread could lose the processor (``checkpoint``). Time
stands still but for a little each step; when nobody can run it jumps to the next timer.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from greenlet import greenlet

Ready = Callable[[], Any]
NEVER = math.inf
STEPS = 400_000
"""After so many a run that does not end has failed."""


class Killed(BaseException):
    """The process that this thread belongs to is dead: whatever it tries raises this again."""


class Failure(AssertionError):
    """What must hold did not; ``invariant`` names it."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant


class Signal:
    """Wakes all who wait for it; they look again whether what they wait for is there."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: list[Task] = []

    def fire(self) -> None:
        """Never waits."""
        for task in self.waiting:
            task.wake()
        self.waiting.clear()


class Task:
    """One simulated thread. ``group`` is the process it belongs to, ``slow`` is seldom drawn."""

    def __init__(self, scheduler: Scheduler, name: str, run: Callable[[], object], group: str) -> None:
        self.scheduler, self.name, self.group = scheduler, name, group
        self.slow = scheduler.random.random() < scheduler.slowness
        self.greenlet = greenlet(self._run)
        self.round = 0
        self.parked = True
        self.done = False
        self.ended = Signal()
        self.thread: Any = None
        self._target = run

    def _run(self) -> None:
        try:
            self._target()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - a thread that dies is what the run is about
            self.scheduler.failed(error)
        finally:
            self.done = True
            self.ended.fire()

    def wake(self) -> None:
        """Runnable from now on; whatever else was to wake it counts no more."""
        if self.parked and not self.done:
            self.parked = False
            self.round += 1
            self.scheduler.runnable.append(self)


class Scheduler:
    """``run`` is the whole life of one simulation. ``trace`` has what happened, for reading and comparing.

    ``preemption``: how likely a thread loses the processor at a checkpoint, and nothing else holds it up;
    drawn if it is not given.
    """

    def __init__(self, seed: int, preemption: float | None = None) -> None:
        self.random = random.Random(seed)
        drawn = self.random.choice((0.0, 0.01, 0.05, 0.2))
        self.preemption = drawn if preemption is None else preemption
        self.stalls = self.random.choice((0.0, 0.0, 0.0005, 0.002)) if preemption is None else 0.0
        self.slowness = self.random.choice((0.0, 0.1, 0.3))
        self.now = 1000.0
        self.hidden = ""
        self.steps = 0
        self.current: Task | None = None
        self.runnable: list[Task] = []
        self.dying = False
        self.tasks: list[Task] = []
        self.trace: list[tuple[float, str, str]] = []
        self._timers: list[tuple[float, int, int, Any]] = []
        self._ids = itertools.count()
        self._hub: greenlet | None = None
        self._failure: BaseException | None = None

    # From outside.

    def run(self, main: Callable[[], object]) -> None:
        """Until ``main`` has ended; then all others are killed. Raises Failure, or what a thread died of."""
        self._hub = greenlet.getcurrent()
        first = self.spawn("main", main, group="outside")
        try:
            while not first.done and self._failure is None:
                self._step()
        finally:
            self.current = None
            self.kill(self.tasks)
        if self._failure is not None:
            raise self._failure

    def _step(self) -> None:
        self.steps += 1
        if self.steps > STEPS:
            raise Failure("it ends", f"no end after {STEPS} steps: {self._picture()}")
        self.now += self.random.random() * 2e-5
        task = self._draw()
        if self.stalls and self.random.random() < self.stalls:
            task.parked = True
            self._timer(self.now + self.random.random() ** 4 * 3, task)
            return
        self.current = task
        task.greenlet.switch()

    def _draw(self) -> Task:
        while not self.runnable or (self._timers and self._timers[0][0] <= self.now):
            self._fire_timer()
        count = len(self.runnable)
        at = int(self.random.random() * count)
        if count > 1 and self.runnable[at].slow and self.random.random() < 0.9:
            at = int(self.random.random() * count)
        self.runnable[at], self.runnable[-1] = self.runnable[-1], self.runnable[at]
        return self.runnable.pop()

    def _fire_timer(self) -> None:
        if not self._timers:
            raise Failure("no deadlock", f"nobody can run: {self._picture()}")
        when, _, round_, what = heapq.heappop(self._timers)
        if not isinstance(what, Task):
            self.now, self.current = max(self.now, when), None
            what()
        elif what.round == round_ and what.parked and not what.done:
            self.now = max(self.now, when)
            what.wake()

    def _picture(self) -> str:
        return ", ".join(task.name for task in self.tasks if not task.done)

    def _timer(self, when: float, what: Task | Callable[[], object]) -> None:
        round_ = what.round if isinstance(what, Task) else 0
        heapq.heappush(self._timers, (when, next(self._ids), round_, what))

    # For simulated threads.

    def spawn(self, name: str, run: Callable[[], object], *, group: str = "") -> Task:
        """A new thread, of the caller's process unless ``group`` says another."""
        task = Task(self, name, run, group or (self.current.group if self.current else "outside"))
        if self._hub is not None:
            task.greenlet.parent = self._hub
        self.tasks = [each for each in self.tasks if not each.done]
        self.tasks.append(task)
        task.wake()
        return task

    def call_at(self, when: float, what: Callable[[], object]) -> None:
        """Run ``what``, which never waits, at that time; nobody kills it."""
        self._timer(when, what)

    def checkpoint(self) -> None:
        """A place where the thread may lose the processor, or is told that its process is dead."""
        if self.dying:
            raise Killed
        task = self.current
        if task is not None and self.preemption and self.random.random() < self.preemption:
            task.parked = True
            task.wake()
            self._switch()

    def until(self, ready: Ready, signals: Iterable[Signal], deadline: float = NEVER) -> bool:
        """Wait until ``ready()``, which is asked again when a signal fires; False at ``deadline``."""
        self.checkpoint()
        while not ready():
            if self.now >= deadline:
                return False
            task = self._me()
            for signal in signals:
                signal.waiting.append(task)
            if deadline < NEVER:
                self._timer(deadline, task)
            task.parked = True
            self._switch()
            for signal in signals:
                if task in signal.waiting:
                    signal.waiting.remove(task)
        return True

    def _switch(self) -> None:
        assert self._hub is not None
        self._hub.switch()
        if self.dying:
            raise Killed

    def _me(self) -> Task:
        if self.dying:
            raise Killed
        assert self.current is not None, "a wait outside of every simulated thread"
        return self.current

    def let_pass(self, seconds: float) -> None:
        """In virtual time."""
        self.until(lambda: False, (), self.now + seconds)

    def kill(self, tasks: Iterable[Task]) -> None:
        """End these at once: what they do on the way out raises Killed too, so it has no effect."""
        me, hub = self.current, self._hub
        self.dying = True
        try:
            for task in list(tasks):
                if not task.done and task is not me:
                    self._throw(task)
        finally:
            self.dying, self.current, self._hub = False, me, hub
            self.runnable = [task for task in self.runnable if not task.done]

    def _throw(self, task: Task) -> None:
        self.current, self._hub = task, greenlet.getcurrent()
        task.greenlet.parent = self._hub
        if not task.greenlet:  # never run, so there is nothing to unwind
            task.done = True
            return
        while not task.greenlet.dead:
            task.greenlet.throw(Killed)

    def broken(self, invariant: str, text: str) -> NoReturn:
        """The run has failed, whatever its threads make of the exception."""
        failure = Failure(invariant, text)
        failure.__cause__ = sys.exc_info()[1]
        self.failed(failure)
        raise failure

    def failed(self, error: BaseException) -> None:
        """The first failure is the run's; what a dead process's threads do is nobody's."""
        if self.dying:
            return
        self.note(f"failed: {error!r}")
        self._failure = self._failure or error

    def note(self, what: str) -> None:
        """A line of the trace; without the root's path, which is another one each time."""
        if self.hidden and self.hidden in what:
            what = what.replace(self.hidden, "ROOT")
        self.trace.append((self.now, self.current.name if self.current else "-", what))
