"""Carries out what ``tree`` decides: one thread for a root, which never waits for a child."""

from __future__ import annotations

import contextlib
import os
import queue
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from embervirt import world
from embervirt.actors.bus import Bus
from embervirt.actors.exits import SHUTDOWN, Exit
from embervirt.actors.messages import Event
from embervirt.errors import (
    ActorUnavailable,
    ForkedError,
    InternalError,
    InvalidConnection,
    Quarantined,
    libvirtError,
)
from embervirt.log import get_logger
from embervirt.supervisor import report
from embervirt.supervisor.lookout import Lookout
from embervirt.supervisor.policy import unreachable
from embervirt.supervisor.spec import ChildSpec, Handle, Path
from embervirt.supervisor.state import Abandon, Action, Changed, Child, Failed, Start, Stop
from embervirt.supervisor.tree import Tree
from embervirt.supervisor.watch import Limits

Task = Callable[[float], None]
CLOSED = "closed"
LIMITS = Limits()


@dataclass(frozen=True)
class _Starting:
    """The reports of one generation of one child."""

    path: Path
    generation: int
    child: Child
    supervisor: Supervisor

    def ready(self) -> None:
        self.supervisor.post(partial(self.supervisor.tree.ready, self.child, self.generation))

    def progress(self) -> None:
        self.supervisor.post(partial(self.supervisor.tree.progress, self.child, self.generation))

    def keep(self) -> None:
        self.supervisor.post(lambda now: self.supervisor.tree.keep(self.child, self.generation))

    def exited(self, reason: Exit) -> None:
        self.supervisor.post(partial(self.supervisor.exited, self.child, self.generation, reason))


class Supervisor:
    """The supervision of one root. ``on_failed`` is told when the whole tree gave up.

    ``looked``: when it last looked after what is overdue (monotonic seconds).
    """

    def __init__(
        self,
        spec: ChildSpec,
        bus: Bus,
        *,
        on_failed: Callable[[str], None] = lambda why: None,
        limits: Limits = LIMITS,
    ) -> None:
        self.tree = Tree(spec, world.uniform, limits.cap)
        self._bus = bus
        self._on_failed = on_failed
        self._log = get_logger(supervisor=spec.id)
        self._tasks: queue.SimpleQueue[Task] = world.SimpleQueue()
        self._handles: dict[Child, Handle] = {}
        self._every = limits.every
        self.looked = self._look_at = world.monotonic()
        self._lookout = Lookout(self.tree, self._handles, limits, self._tell, bus.broken)
        self._up: dict[Child, list[Future[None]]] = defaultdict(list)
        self._down: dict[Child, list[Future[None]]] = defaultdict(list)
        self._over = ""
        self._ended = False
        self._planned = world.monotonic()
        self._lock = world.RLock()
        self._pid = os.getpid()
        self._thread = world.Thread(target=self._run, name="embervirt-supervisor", daemon=True)
        for child in self.tree.root.walk():
            self._check(child)

    # Any thread.

    def post(self, task: Task) -> None:
        """Run ``task(now)`` on the supervisor's thread, then carry out what follows from it.

        After the end it runs here and now: it finds everything down. Raises ForkedError in a forked child.
        """
        if os.getpid() != self._pid:
            raise ForkedError("this process was forked from the one that opened the root; open it anew")
        with self._lock:
            self._tasks.put(task)
            if self._ended:
                self._settle()

    def start(self) -> Future[None]:
        """Start the tree; done when all of it is up, fails with what failed."""
        started = _promise()
        self._up[self.tree.root].append(started)
        self._thread.start()
        self.post(lambda now: None)
        return started

    def start_child(
        self, parent: Path, spec: ChildSpec, *, before: frozenset[str] = frozenset()
    ) -> Future[None]:
        """Add a child and start it; when it is there already, done when that one is up.

        Fails with the child's own error when its first start fails; nothing is kept then.
        """
        started = _promise()
        self.post(lambda now: self._add(parent, spec, before, started))
        return started

    def stop_child(self, path: Path) -> Future[None]:
        """Stop a child for good; done when it is down."""
        stopped = _promise()
        self.post(lambda now: self._stop(path, stopped))
        return stopped

    def crash(self, path: Path, error: BaseException) -> None:
        """End a child with ``error``, for tests and demonstrations; its supervisor does the rest."""

        def task(now: float) -> None:
            child = self.tree.find(path)
            if child in self._handles:
                self._handles[child].crash(error)

        self.post(task)

    def clear(self, path: Path) -> None:
        """End a quarantine."""
        self.post(lambda now: self._with(path, self.tree.clear))

    def close(self, timeout: float) -> bool:
        """Stop everything in reverse order of start; False when it took longer than ``timeout`` seconds.

        From one of the supervisor's own callbacks it only asks, and answers False.
        """
        self.post(lambda now: self._stop(self.tree.root.path, _promise()))
        if self._thread.ident is None:  # never started
            return True
        if world.current_thread() is not self._thread:
            self._thread.join(timeout)
        return self._ended

    def picture(self) -> report.Node:
        """The tree as it stands."""
        root, zombies = self.tree.root, self._lookout.zombies(world.monotonic())
        degraded = {**self._bus.degraded, root.spec.id: "; ".join(self._lookout.reasons)}
        return report.picture(root, degraded, zombies)

    def unsettled(self, path: Path) -> str:
        """Who is still starting or stopping there, and at what: for whoever has waited long enough."""
        child, handles = self.tree.find(path) or self.tree.root, self._handles.copy()
        activities = {each: handle.activity for each, handle in handles.items()}
        return "; ".join(report.unsettled(child, activities, world.monotonic())) or "nobody"

    def health(self) -> report.Health:
        """What does not work as it should."""
        limbo = self._lookout.zombies(world.monotonic())
        return report.health(self.picture(), self._lookout.reasons, limbo)

    # The supervisor's thread.

    def _run(self) -> None:
        self._look_at = world.monotonic()
        try:
            while not self._over:
                self._round()
        except BaseException as error:  # noqa: BLE001 - a bug here: the root fails rather than go on unwatched
            self._over = str(Exit("error", error))
            self._say("the supervisor failed", traceback=Exit("error", error).traceback())
            self._bus.routes.fail(InvalidConnection(f"the root failed: {self._over}"))
            self._bus.publish(report.HealthChanged((f"supervisor: {self._over}",)))
        else:
            if self._over != CLOSED:
                self._bus.routes.close(InvalidConnection(f"the root failed: {self._over}"))
        self._settle()
        if self._over != CLOSED:
            self._on_failed(f"the root failed: {self._over}")

    def _round(self) -> None:
        due = min(self.tree.next_due(self._planned), self._look_at)
        try:
            task = self._tasks.get(timeout=max(0.0, due - world.monotonic()))
        except queue.Empty:
            pass
        else:
            task(world.monotonic())
        if (now := self._now()) >= self._look_at:
            self._look(now)
        while actions := self._plan():
            for action in sorted(actions, key=lambda action: isinstance(action, Failed)):
                self._carry_out(action)  # reports last: no restart waits for a log

    def _now(self) -> float:
        """As in ``watch``, what this thread is late by nobody can be blamed for: a held GIL, say."""
        now = world.monotonic()
        if now - self._look_at > self._every:
            self.tree.excuse(now - self._look_at)
            self._look_at = now
        return now

    def _look(self, now: float) -> None:
        self.looked, self._look_at = now, now + self._every
        for child, generation, reason in self._lookout.look(now):
            self._tasks.put(partial(self.exited, child, generation, reason))

    def exited(self, child: Child, generation: int, reason: Exit, now: float) -> None:
        """A generation ended, be it the present one or one that was given up; on the supervisor's thread."""
        self._lookout.ended(child, generation)
        self.tree.exited(child, generation, reason, now)

    def _plan(self) -> list[Action]:
        self._planned = self._now()
        return self.tree.plan(self._planned)

    def _settle(self) -> None:
        """Nobody waits for what will not come."""
        with self._lock:
            self._ended = True
            while not self._tasks.empty():
                self._tasks.get()(world.monotonic())
            for child in list(self._up):
                self._fail(child, ActorUnavailable(f"{'/'.join(child.path)}: the root was closed"))
            for child in list(self._down):
                self._is_down(child)

    def _carry_out(self, action: Action) -> None:
        match action:
            case Start(child, generation):
                self._start(child, generation)
            case Stop(child) if child in self._handles:
                self._handles[child].stop()
            case Abandon(child, generation):
                self._say("abandoned", child="/".join(child.path), generation=generation)
                if child in self._handles:
                    self._lookout.give_up(child, generation, self._handles[child], world.monotonic())
            case Failed():
                self._report(action)
            case Changed(child, reason, gone):
                self._changed(child, reason, gone)

    def _start(self, child: Child, generation: int) -> None:
        starting = _Starting(child.path, generation, child, self)
        assert child.spec.start is not None
        if child.spec.name:
            self._bus.routes.expect(child.spec.name)
        try:
            self._handles[child] = child.spec.start(starting)
        except BaseException as error:  # noqa: BLE001 - a start that fails is the child's failure, not ours
            starting.exited(Exit("start_failed", error))

    def _report(self, action: Failed) -> None:
        event = report.failed(action)
        self._bus.publish(event)
        kept = action.reason.kept()
        action.child.remember(action.reason, kept)
        self._say("child failed", **msgspec.structs.asdict(event), traceback=kept.text)

    def _tell(self, event: Event) -> None:
        self._bus.publish(event)
        slow = isinstance(event, report.SlowOperation)
        self._say("operation is overdue" if slow else "health changed", **msgspec.structs.asdict(event))

    def _say(self, what: str, **fields: Any) -> None:
        with contextlib.suppress(Exception):  # the host program's log may fail; supervision goes on
            self._log.error(what, **fields)

    def _changed(self, child: Child, reason: Exit | None, gone: bool) -> None:
        if reason is None:
            for waiting in self._up.pop(child, []):
                waiting.set_result(None)
            return
        self._handles.pop(child, None)
        if gone or not child.expected or child is self.tree.root:
            for each in child.walk():
                self._fail(each, _as_error(child, reason))
                if child is not self.tree.root:
                    self._route(each, child, gone)
        self._is_down(child)
        if child is self.tree.root:
            self._over = CLOSED if reason == SHUTDOWN else str(reason)

    def _fail(self, child: Child, error: libvirtError) -> None:
        for waiting in self._up.pop(child, []):
            waiting.set_exception(error)

    def _is_down(self, child: Child) -> None:
        for waiting in self._down.pop(child, []):
            waiting.set_result(None)

    def _route(self, child: Child, because: Child, gone: bool) -> None:
        """Nobody will come for ``child`` while it, or the supervisor above it that ended, stays down."""
        name = child.spec.name
        if name and gone:
            self._bus.routes.forget(name)
        elif name and because.quarantined:
            self._bus.routes.refuse(name, Quarantined(f"{name} is quarantined: {because.quarantined}"))
        elif name:
            self._bus.routes.refuse(name, ActorUnavailable(f"{name} was stopped"))

    def _with(self, path: Path, do: Callable[[Child], None]) -> None:
        child = self.tree.find(path)
        if child is not None:
            do(child)

    def _check(self, child: Child) -> None:
        flags = child.parent.spec.supervision if child.parent else None
        warning = unreachable(child.spec, flags) if flags else None
        if warning:
            self._log.warning(warning)

    def _add(self, parent: Path, spec: ChildSpec, before: frozenset[str], started: Future[None]) -> None:
        node = self.tree.find(parent)
        if node is None or not node.alive:
            started.set_exception(ActorUnavailable(f"{'/'.join(parent)} is not running"))
            return
        child = node.children.get(spec.id)
        if child is None:
            try:
                child = self.tree.add(node, spec, before=before)
            except ValueError as error:
                started.set_exception(ActorUnavailable(str(error)))
                return
            self._check(child)
            for each in child.walk():  # one that was given up may still be there under its name
                each.generation = self._lookout.generation(each.path)
        if child.phase == "up" and child.wanted:
            started.set_result(None)
        elif not child.expected:
            started.set_exception(Quarantined(f"{spec.id}: {child.quarantined or 'stopped'}"))
        else:
            self._up[child].append(started)

    def _stop(self, path: Path, stopped: Future[None]) -> None:
        child = self.tree.find(path)
        if child is None or (child.phase == "down" and not child.wanted):
            stopped.set_result(None)
            return
        self._down[child].append(stopped)
        self.tree.stop(child)


def _promise() -> Future[None]:
    """One that its holder cannot cancel, for the supervisor will settle it."""
    promise: Future[None] = Future()
    promise.set_running_or_notify_cancel()
    return promise


def _as_error(child: Child, reason: Exit) -> libvirtError:
    if isinstance(reason.error, libvirtError):
        return reason.error
    if not reason.abnormal:
        return ActorUnavailable(f"{'/'.join(child.path)} ended: {reason}")
    return InternalError(f"{'/'.join(child.path)}: {reason}")
