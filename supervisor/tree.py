"""The supervision tree as plain state: what happened goes in, what to do now comes out.

No threads, no clock, no I/O: ``now`` is given, and ``plan`` answers with actions. Instead of a script
for every strategy there is one rule for starting and one for stopping, applied until nothing changes:

* a child that should run and is down starts when it is due and those before it are up;
* a child that should not run and is not down stops once those after it are down.

A group restart marks its victims ``recycle`` (should not run until they have been down once). The rules are
applied to those children only that something happened to, or to whom they are related: ``_touch``.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Literal

from embervirt.actors.exits import SHUTDOWN, Exit
from embervirt.supervisor.policy import Decision, Dropped, GivingUp, Uniform, decide
from embervirt.supervisor.spec import ChildSpec, Path
from embervirt.supervisor.state import NEVER, Abandon, Action, Changed, Child, Failed, Start, Stop


class Tree:
    """``uniform(low, high)`` gives the jitter; ``cap``: how often a start timeout may be had by progress."""

    def __init__(self, spec: ChildSpec, uniform: Uniform, cap: float = 10.0) -> None:
        self.root = Child(spec)
        self._uniform, self._cap = uniform, cap
        self._actions: list[Action] = []
        self._timers: list[tuple[float, int, Child]] = []
        self._numbers = itertools.count()

    def find(self, path: Path) -> Child | None:
        """The child at ``path``, which begins with the root's id."""
        node: Child | None = self.root if path[:1] == self.root.path else None
        for id_ in path[1:]:
            node = node.children.get(id_) if node is not None else None
        return node

    # What happened.

    def add(self, parent: Child, spec: ChildSpec, *, before: frozenset[str] = frozenset()) -> Child:
        """A new child at the end, or in front of the first of ``before``.

        Raises ValueError when there is one of that id, or no room for another.
        """
        if spec.id in parent.children:
            there = parent.children[spec.id].phase
            raise ValueError(f"{parent.spec.id} has a child {spec.id} already, which is {there}")
        limit = parent.spec.supervision.max_children if parent.spec.supervision else 0
        if limit is not None and len(parent.children) >= limit:
            raise ValueError(f"{parent.spec.id} has its {limit} children already (max_children)")
        child = Child(spec, parent, trial=spec.on_trial)
        later = {id_: parent.children.pop(id_) for id_ in list(parent.children) if id_ in before}
        parent.children.update({spec.id: child, **later})
        self._touch(child)
        return child

    def ready(self, child: Child, generation: int, now: float) -> None:
        """It is up."""
        if child.generation == generation and child.phase == "starting":
            child.phase, child.ready_at, child.by, child.trial = "up", now, NEVER, False
            self._actions.append(Changed(child))
            self._touch(child)

    def progress(self, child: Child, generation: int, now: float) -> None:
        """Its start takes long, but goes on."""
        if child.generation == generation and child.phase == "starting":
            child.by = min(now + child.spec.start_timeout, child.latest)
            self._touch(child)

    def keep(self, child: Child, generation: int) -> None:
        """It has made what must be looked after: if its first start fails yet, it is started again."""
        if child.generation == generation:
            child.trial = False

    def hung(self, child: Child, generation: int, reason: Exit, now: float) -> None:
        """It is up, but what it does takes too long: it is given up, and that is its exit."""
        if child.generation == generation and child.phase == "up":
            self._actions.append(Abandon(child, generation))
            self.exited(child, generation, reason, now)

    def excuse(self, seconds: float) -> None:
        """So long nobody could do anything: who is starting or stopping has that much more time."""
        for child in self.root.walk():
            if child.by < NEVER:
                child.by, child.latest = child.by + seconds, child.latest + seconds
                self._touch(child)

    def exited(self, child: Child, generation: int, reason: Exit, now: float) -> None:
        """It ended, asked or not."""
        if child.generation != generation or child.phase == "down":
            return
        asked = child.phase == "stopping" or child.recycle or not child.wanted or _closing(child.parent)
        up_for = None if child.ready_at is None else now - child.ready_at
        child.phase, child.by, child.ready_at, child.recycle = "down", NEVER, None, False
        child.exits.append((generation, now, reason))
        if asked and reason.abnormal and not (reason.kind == "fenced" and child.spec.seconds == 0):
            self._actions.append(Failed(child, generation, now, reason, Dropped(), asked))
        if child.trial and not (asked and child.wanted):  # stopped with others, it is started again with them
            self._drop(child, reason)
        elif asked:
            self._ended(child, reason)
        else:
            self._decide(child, reason, up_for, now)
        self._touch(child)

    def stop(self, child: Child) -> None:
        """Nothing restarts what was stopped on purpose; a pending restart is cancelled."""
        child.wanted = False
        self._touch(child)
        if child.phase == "down":
            self._ended(child, SHUTDOWN)

    def clear(self, child: Child) -> None:
        """End its quarantine: it starts anew with no failures."""
        child.quarantined, child.failures, child.budget, child.due = "", 0, (), 0.0
        self._touch(child)

    # Decisions.

    def _ended(self, child: Child, reason: Exit) -> None:
        """A specification goes with its child when that is temporary, or dynamic and not to come back."""
        if child.spec.restart == "temporary" or (child.dynamic and not child.wanted):
            self._drop(child, reason)
        else:
            self._actions.append(Changed(child, reason))

    def _drop(self, child: Child, reason: Exit) -> None:
        if child.parent is not None:
            child.parent.children.pop(child.spec.id, None)
        self._actions.append(Changed(child, reason, gone=True))

    def _decide(self, child: Child, reason: Exit, up_for: float | None, now: float) -> None:
        parent = child.parent
        if parent is None:
            self._actions.append(Changed(child, reason))
            child.wanted = False
            return
        decision = self._decision(child, parent, reason, up_for, now)
        unstarted = up_for is None and not parent.risen and not child.dynamic
        if unstarted and (reason.abnormal or not isinstance(decision, Dropped)):
            decision = GivingUp(f"{parent.spec.id} cannot start", parent.log)
        if reason.abnormal or not isinstance(decision, Dropped):
            self._actions.append(Failed(child, child.generation, now, reason, decision))
        if unstarted and isinstance(decision, GivingUp):
            self._fail(parent, Exit("start_failed", reason.error, f"child {child.spec.id}", str(reason)))
            self._ended(child, reason)
            return
        if isinstance(decision, Dropped):
            child.wanted = False
            self._ended(child, reason)
            return
        self._spend(child, parent, decision.log)
        if isinstance(decision, GivingUp):
            self._give_up(child, parent, decision, reason)
        else:
            child.failures, child.due = decision.failures, decision.due
            self._recycle(child, parent, decision.due)
        self._actions.append(Changed(child, reason))

    def _decision(
        self, child: Child, parent: Child, reason: Exit, up_for: float | None, now: float
    ) -> Decision:
        assert parent.spec.supervision is not None
        return decide(
            child.spec, parent.spec.supervision, reason, now=now, up_for=up_for, failures=child.failures,
            log=child.budget if child.dynamic else parent.log, uniform=self._uniform,
        )  # fmt: skip

    @staticmethod
    def _spend(child: Child, parent: Child, log: tuple[float, ...]) -> None:
        if child.dynamic:
            child.budget = log
        else:
            parent.log = log

    def _give_up(self, child: Child, parent: Child, decision: GivingUp, reason: Exit) -> None:
        if child.spec.on_give_up == "quarantine":
            child.quarantined = decision.why
        else:
            self._fail(parent, Exit("shutdown", reason.error, term="reached_max_restart_intensity"))

    def _fail(self, parent: Child, reason: Exit) -> None:
        parent.failing, parent.phase, parent.by = parent.failing or reason, "stopping", NEVER
        self._touch(parent)

    @staticmethod
    def _recycle(child: Child, parent: Child, due: float) -> None:
        siblings = list(parent.children.values())
        groups = {"one_for_all": siblings, "rest_for_one": siblings[siblings.index(child) :]}
        for victim in groups.get(parent.strategy, ()):
            victim.recycle = victim.phase != "down"
            victim.due = max(victim.due, due)

    # What to do now.

    def plan(self, now: float) -> list[Action]:
        """Actions in order; what they need is noted as begun."""
        while self._timers and self._timers[0][0] <= now:
            child = heapq.heappop(self._timers)[2]
            self._touch_above(child)
            self._time(child, now)
        while self._step(self.root, True, now):
            pass
        actions, self._actions = self._actions, []
        return actions

    def next_due(self, now: float) -> float:
        """When ``plan``, last asked at ``now``, may have more to say, if nothing happens before."""
        while self._timers and not now < self._timers[0][0] == self._timers[0][2].timer:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else NEVER

    def _touch(self, child: Child) -> None:
        """Look at it again, and at those whose turn depends on it, now and when its time comes."""
        self._time(child, 0.0)
        child.touched = dict.fromkeys(child.children.values())
        if child.parent is not None and not child.dynamic:
            child.parent.touched = dict.fromkeys(child.parent.children.values())
        self._touch_above(child)

    def _time(self, child: Child, past: float) -> None:
        if past < child.timer < NEVER:
            heapq.heappush(self._timers, (child.timer, next(self._numbers), child))

    @staticmethod
    def _touch_above(child: Child) -> None:
        parent = child.parent
        while parent is not None:
            if parent.children.get(child.spec.id) is child:  # else it was dropped
                parent.touched[child] = None
            child, parent = parent, parent.parent

    def _step(self, child: Child, allowed: bool, now: float) -> bool:
        """Apply the rules to ``child`` and below; True when something changed."""
        should = allowed and child.expected and not child.recycle
        if child.phase == "down":
            return should and child.due <= now and self._may_start(child) and self._begin(child, now)
        if child.alive and not should and self._may_stop(child):
            return self._end(child, now)
        if now >= child.by:
            return self._abandon(child, now)
        touched, child.touched = child.touched, {}
        changed = [self._step(each, child.phase != "stopping", now) for each in touched]
        return any(changed) or (child.spec.supervision is not None and self._supervisor_step(child, now))

    def _supervisor_step(self, child: Child, now: float) -> bool:
        below = child.children.values()
        if child.phase == "starting" and all(c.phase == "up" or c.dynamic or not c.expected for c in below):
            child.risen = True
            self.ready(child, child.generation, now)
            return True
        if child.phase == "stopping" and all(c.phase == "down" for c in below):
            reason, by_itself = child.failing or Exit("shutdown"), child.failing is not None
            child.failing, child.risen, child.log = None, False, ()
            child.phase = "up" if by_itself else "stopping"
            self.exited(child, child.generation, reason, now)
            return True
        return False

    def _begin(self, child: Child, now: float) -> bool:
        child.phase, child.generation = "starting", child.generation + 1
        if child.spec.supervision is None:
            allowed = child.spec.start_timeout
            child.by, child.latest = now + allowed, now + self._cap * allowed
            self._actions.append(Start(child, child.generation))
        for each in child.children.values():
            each.due, each.failures, each.budget = 0.0, 0, ()
        self._touch(child)
        return True

    def _end(self, child: Child, now: float) -> bool:
        child.phase = "stopping"
        if child.spec.supervision is None:
            child.by = now + child.spec.seconds
            if child.by > now:
                self._actions.append(Stop(child))
        self._touch(child)
        return True

    def _abandon(self, child: Child, now: float) -> bool:
        kind: Literal["start_timeout", "fenced"] = "start_timeout" if child.phase == "starting" else "fenced"
        self._actions.append(Abandon(child, child.generation))
        self.exited(child, child.generation, Exit(kind), now)
        return True

    @staticmethod
    def _may_start(child: Child) -> bool:
        parent = child.parent
        if parent is None or child.dynamic:
            return True
        siblings = list(parent.children.values())
        group = parent.strategy != "one_for_one"
        if group and any(each.recycle or each.phase == "stopping" for each in siblings):
            return False
        before = siblings[: siblings.index(child)] if group or not parent.risen else []
        return all(each.phase == "up" for each in before if each.expected)

    @staticmethod
    def _may_stop(child: Child) -> bool:
        parent = child.parent
        if parent is None or child.dynamic or not (child.recycle or parent.phase == "stopping"):
            return True
        siblings = list(parent.children.values())
        return all(each.phase == "down" for each in siblings[siblings.index(child) + 1 :])


def _closing(parent: Child | None) -> bool:
    return parent is not None and parent.phase == "stopping"
