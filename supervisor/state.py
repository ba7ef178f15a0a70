"""A child as it stands, and what its supervisor may do about it: data, no rules."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from embervirt.actors.exits import Exit
from embervirt.supervisor.policy import Decision
from embervirt.supervisor.spec import ChildSpec, Path

Phase = Literal["down", "starting", "up", "stopping"]
NEVER = float("inf")


@dataclass(eq=False, repr=False)
class Child:
    """One child as it stands. A supervisor has ``children``; ``failing`` is why it gives itself up.

    ``log``: restarts of its children within the window; ``budget``: its own, when its parent is dynamic.
    ``by``: when it is given up that is starting or stopping; ``latest``: when also one that makes progress.
    ``touched``: those of its children about which there may be something to do.
    """

    spec: ChildSpec
    parent: Child | None = None
    phase: Phase = "down"
    wanted: bool = True
    trial: bool = False
    recycle: bool = False
    generation: int = 0
    due: float = 0.0
    by: float = NEVER
    latest: float = NEVER
    ready_at: float | None = None
    failures: int = 0
    log: tuple[float, ...] = ()
    budget: tuple[float, ...] = ()
    quarantined: str = ""
    exits: deque[tuple[int, float, Exit]] = field(default_factory=lambda: deque(maxlen=16))
    children: dict[str, Child] = field(default_factory=dict)
    touched: dict[Child, None] = field(default_factory=dict)
    risen: bool = False
    failing: Exit | None = None

    def __post_init__(self) -> None:
        self.path: Path = (*(self.parent.path if self.parent else ()), self.spec.id)
        for spec in self.spec.children:
            self.children[spec.id] = Child(spec, self)
        self.touched = dict.fromkeys(self.children.values())

    def __repr__(self) -> str:
        return f"<{'/'.join(self.path)} {self.generation} {self.phase}>"

    @property
    def alive(self) -> bool:
        """Starting or up."""
        return self.phase in ("starting", "up")

    @property
    def timer(self) -> float:
        """When time alone may change it: it is not down, or will be started."""
        if self.phase != "down":
            return self.by
        return self.due if self.expected and (self.parent is None or self.parent.alive) else NEVER

    @property
    def expected(self) -> bool:
        """Neither stopped on purpose nor in quarantine."""
        return self.wanted and not self.quarantined

    @property
    def dynamic(self) -> bool:
        """Whether it is one of the children that its supervisor got at run time."""
        return self.parent is not None and self.parent.strategy == "dynamic"

    @property
    def strategy(self) -> str:
        """Of a supervisor; "" for anything else."""
        return "" if self.spec.supervision is None else self.spec.supervision.strategy

    def remember(self, reason: Exit, kept: Exit) -> None:
        """Put ``kept`` in the place of ``reason`` among the exits."""
        for n, (generation, at, each) in enumerate(self.exits):
            if each is reason:
                self.exits[n] = (generation, at, kept)

    def walk(self) -> Iterator[Child]:
        """This one and all below it."""
        yield self
        for child in list(self.children.values()):
            yield from child.walk()


@dataclass(frozen=True)
class Start:
    """Start this generation of ``child``."""

    child: Child
    generation: int


@dataclass(frozen=True)
class Stop:
    """Ask it to end."""

    child: Child


@dataclass(frozen=True)
class Abandon:
    """It did not start or stop in time: fence it and go on without it."""

    child: Child
    generation: int


@dataclass(frozen=True)
class Failed:
    """A failure to report: what ended, when, why, what becomes of it; ``asked`` when it was being stopped."""

    child: Child
    generation: int
    at: float
    reason: Exit
    decision: Decision
    asked: bool = False


@dataclass(frozen=True)
class Changed:
    """``child`` is up, or down with ``reason``; ``gone`` when its specification went too."""

    child: Child
    reason: Exit | None = None
    gone: bool = False


Action = Start | Stop | Abandon | Failed | Changed
