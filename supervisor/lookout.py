"""Looks after what runs: operations that are overdue, threads that are gone, threads that will not go.

Used by the supervisor's thread only, but for ``zombies`` and ``reasons``, which any thread may read.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from embervirt.actors.activity import Activity
from embervirt.actors.exits import Exit
from embervirt.actors.messages import Event
from embervirt.supervisor.report import HealthChanged, SlowOperation, Zombie
from embervirt.supervisor.spec import Handle, Path
from embervirt.supervisor.state import Child
from embervirt.supervisor.tree import Tree
from embervirt.supervisor.watch import Limits, Overdue, Watch

DISK = "embervirt.disk"
"""The module through which all files are written: a thread that is in it waits for a disk."""

Key = tuple[Child, int]


@dataclass(frozen=True)
class GivenUp:
    """A generation that was fenced, while its thread lasts. ``on_disk``: it waits for a disk."""

    handle: Handle
    since: float
    activity: Activity
    on_disk: bool


class Lookout:
    """``tell`` publishes and logs; ``handles`` are of those that were started and have not ended.

    ``broken``: what else keeps the root from being whole, and why.
    """

    def __init__(
        self,
        tree: Tree,
        handles: Mapping[Child, Handle],
        limits: Limits,
        tell: Callable[[Event], None],
        broken: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.reasons: tuple[str, ...] = ()
        self._broken = broken
        self._tree, self._handles, self._limits, self._tell = tree, handles, limits, tell
        self._watch = self._made()
        self._limbo: dict[Key, GivenUp] = {}
        self._on_disk: dict[Child, float] = {}

    def _made(self) -> Watch[Child]:
        return Watch(self._limits, lambda child: list(self._tree.root.walk()).index(child))

    # What the supervisor tells.

    def give_up(self, child: Child, generation: int, handle: Handle, now: float) -> None:
        """Fence it, and keep it in sight until its thread ends."""
        activity, on_disk = handle.activity, DISK in handle.stack().modules
        handle.fence()
        self._limbo[child, generation] = GivenUp(handle, now, activity, on_disk)

    def ended(self, child: Child, generation: int) -> None:
        """It reported its end, given up or not."""
        self._limbo.pop((child, generation), None)

    def generation(self, path: Path) -> int:
        """The last of ``path`` that was given up and has not ended; 0 when there is none."""
        return max((generation for child, generation in self._limbo if child.path == path), default=0)

    # Looks.

    def look(self, now: float) -> list[tuple[Child, int, Exit]]:
        """Act on what is overdue; who ended without a word is answered, and believed after all reports.

        A bug in here costs the watch what it knows, and is told; supervision goes on.
        """
        try:
            self._look(now)
        except Exception as error:  # noqa: BLE001 - that boundary
            self._watch = self._made()
            self._degrade((f"watchdog: {Exit('error', error)}",))
        return [self._lost(child) for child, handle in self._handles.items() if not handle.alive]

    def _lost(self, child: Child) -> tuple[Child, int, Exit]:
        """Its callers are told now: if it did say how it ended, this changes nothing."""
        self._handles[child].fence()
        return child, child.generation, Exit("lost")

    def _look(self, now: float) -> None:
        up = {child: handle for child, handle in self._handles.items() if child.phase == "up"}
        activities = {child: each for child, handle in up.items() if (each := handle.activity).operation}
        for overdue in self._watch.look(now, activities, self._find, load(self._limits)):
            self._act(overdue, up[overdue.who], now)
        steps = {child: activity.step for child, activity in activities.items()}
        self._on_disk = dict(self._on_disk.items() & steps.items())
        for key in [key for key, each in self._limbo.items() if not each.handle.alive]:
            self._limbo.pop(key)
        self._judge(now)

    def _find(self, name: str) -> Child | None:
        return next((child for child in self._handles if child.spec.name == name), None)

    def _act(self, overdue: Overdue[Child], handle: Handle, now: float) -> None:
        child, verdict, activity, *_ = overdue
        if verdict == "warn":
            stack = handle.stack()
            if DISK in stack.modules:
                self._on_disk[child] = activity.step
            cycle = tuple(each.spec.name for each in overdue.cycle)
            self._tell(
                SlowOperation(
                    "/".join(child.path), child.generation, activity.operation, now - activity.step,
                    activity.asks, cycle, stack.text,
                )
            )  # fmt: skip
        elif verdict == "cancel":
            handle.cancel(activity)
        else:
            text = f"{activity.operation}, {now - activity.step:.3g} s"
            self._tree.hung(child, child.generation, Exit("hung", doing=activity.operation, term=text), now)

    def _judge(self, now: float) -> None:
        """What keeps the root from being whole; told when it changes."""
        old = [each for each in self._limbo.values() if now - each.since >= self._limits.every]
        stuck = {key[0] for key, each in self._limbo.items() if each.on_disk} | set(self._on_disk)
        reasons = [f"io: {path} waits for a disk" for path in sorted("/".join(c.path) for c in stuck)]
        reasons += [f"{what}: {why}" for what, why in dict(self._broken).items()]
        if len(old) > self._limits.zombies:
            reasons.append(
                f"restart_required: more than {self._limits.zombies} threads were given up and do not end "
                "(setting supervision.zombie_limit)"
            )
        self._degrade(tuple(reasons))

    def _degrade(self, reasons: tuple[str, ...]) -> None:
        if reasons != self.reasons:
            self.reasons = reasons
            self._tell(HealthChanged(reasons))

    # Any thread.

    def zombies(self, now: float) -> dict[Child, list[Zombie]]:
        """What was given up and has not ended, by child."""
        found: dict[Child, list[Zombie]] = {}
        for (child, generation), each in self._limbo.copy().items():
            refused, stack = each.handle.refused, each.handle.stack().text
            zombie = Zombie(generation, now - each.since, each.activity.operation, refused, stack)
            found.setdefault(child, []).append(zombie)
        return found


def load(limits: Limits) -> float:
    """By how much a debugger, profiler or coverage tool that traces threads may slow the program down."""
    hooks = (threading.gettrace(), threading.getprofile(), sys.gettrace(), sys.getprofile())
    return limits.load if any(hooks) else 1.0
