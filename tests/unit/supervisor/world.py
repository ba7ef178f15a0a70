"""A tree with scripted children in virtual time: what a supervisor would do, without threads or a clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from embervirt.actors.exits import SHUTDOWN, Exit
from embervirt.supervisor.spec import Backoff, ChildSpec, Starting, Strategy, Supervision
from embervirt.supervisor.state import Abandon, Action, Changed, Child, Failed, Start, Stop
from embervirt.supervisor.tree import Tree

ERROR = Exit("error", RuntimeError("boom"))
AT_ONCE = Backoff(initial=0.0, cap=0.0, jitter=0.0)
"""No delays: for tests about who restarts and in which order."""


def never(starting: Starting) -> Any:
    """A ``start`` that nobody calls: the world plays the children itself."""
    raise AssertionError(starting)


def leaf(id_: str, **fields: Any) -> ChildSpec:
    """A child that is no supervisor."""
    return ChildSpec(id=id_, start=never, **{"backoff": AT_ONCE, **fields})


def supervisor(
    id_: str,
    children: Sequence[ChildSpec] = (),
    strategy: Strategy = "one_for_one",
    intensity: int = 100,
    period: float = 10.0,
    max_children: int | None = None,
    **fields: Any,
) -> ChildSpec:
    """A child that is one."""
    flags = Supervision(strategy=strategy, intensity=intensity, period=period, max_children=max_children)
    known = {"backoff": AT_ONCE, "shutdown": "infinity", **fields}
    return ChildSpec(id=id_, supervision=flags, children=tuple(children), **known)


class World:
    """``log`` has ``start a1``, ``stop a1``, ``abandon a1``, ``ready a1``, ``exit a1`` in order."""

    def __init__(
        self, of: ChildSpec | Tree, live: dict[str, set[int]] | None = None, *, automatic: bool = True
    ) -> None:
        self.tree = of if isinstance(of, Tree) else Tree(of, lambda low, high: 1.0)
        self.live = {} if live is None else live
        self.now = 0.0
        self.automatic = automatic
        self.log: list[str] = []
        self.reports: list[Failed] = []
        self.changes: list[Changed] = []
        self.asked: set[Child] = set()
        self.failing: dict[str, int] = {}
        self.deaf: set[str] = set()
        self.slow: set[str] = set()
        self.go()

    def go(self) -> World:
        """Carry out all that follows from what happened."""
        while actions := self.tree.plan(self.now):
            for action in actions:
                self.carry_out(action)
        return self

    def carry_out(self, action: Action) -> None:
        """As ``Supervisor`` does, with the children's own answers when ``automatic``."""
        match action:
            case Start(child, generation):
                self._note("start", child, generation)
                self.live.setdefault(child.spec.id, set()).add(generation)
                if self.automatic:
                    self._started(child)
            case Stop(child):
                self._note("stop", child, child.generation)
                self.asked.add(child)
                if self.automatic and child.spec.id not in self.deaf:
                    self.exit(child, SHUTDOWN)
            case Abandon(child, generation):
                self._note("abandon", child, generation)
                self.live.get(child.spec.id, set()).discard(generation)
            case Failed():
                self.reports.append(action)
            case Changed():
                self.changes.append(action)

    def _note(self, what: str, child: Child, generation: int) -> None:
        self.log.append(f"{what} {child.spec.id}{generation}")

    def _started(self, child: Child) -> None:
        if self.failing.get(child.spec.id, 0) > 0:
            self.failing[child.spec.id] -= 1
            self.exit(child, Exit("start_failed", RuntimeError("no start")))
        elif child.spec.id not in self.slow:
            self.ready(child)

    def ready(self, child: Child) -> None:
        """The child reports that it is up."""
        self.tree.ready(child, child.generation, self.now)

    def exit(self, child: Child, reason: Exit = ERROR) -> None:
        """The child ends; nothing follows before ``go``."""
        self.live.get(child.spec.id, set()).discard(child.generation)
        self.asked.discard(child)
        self.tree.exited(child, child.generation, reason, self.now)

    def kill(self, *ids: str, reason: Exit = ERROR) -> World:
        """They end in one instant."""
        for id_ in ids:
            self.exit(self.at(id_), reason)
        return self.go()

    def at(self, id_: str) -> Child:
        """The child of that id, wherever it is."""
        return next(child for child in self.tree.root.walk() if child.spec.id == id_)

    def has(self, id_: str) -> bool:
        """Whether there is a child of that id."""
        return any(child.spec.id == id_ for child in self.tree.root.walk())

    def add(self, parent: str, spec: ChildSpec) -> Child:
        """As ``start_child``."""
        child = self.tree.add(self.at(parent), spec)
        self.go()
        return child

    def stop(self, id_: str) -> World:
        """As ``stop_child``."""
        self.tree.stop(self.at(id_))
        return self.go()

    def clear(self, id_: str) -> World:
        """As the operator's ``clear``."""
        self.tree.clear(self.at(id_))
        return self.go()

    def wait(self, until: float) -> World:
        """Let time pass, with every timer on the way."""
        while (due := self.tree.next_due(self.now)) <= until:
            self.now = due
            self.go()
        self.now = until
        return self.go()

    def generations(self, *ids: str) -> list[int]:
        """Of those children."""
        return [self.at(id_).generation for id_ in ids]

    def phases(self, *ids: str) -> list[str]:
        """Of those children."""
        return [self.at(id_).phase for id_ in ids]

    def said(self) -> list[str]:
        """The log since the last time."""
        log, self.log = self.log, []
        return log
