"""What a supervisor is told: child specifications and flags, in OTP's terms (SUPERVISION 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, get_args

from embervirt.actors.activity import Activity
from embervirt.actors.exits import Exit

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one", "dynamic"]
GiveUp = Literal["escalate", "quarantine"]
Shutdown = float | Literal["brutal", "infinity"]
Path = tuple[str, ...]


class Stack(NamedTuple):
    """A thread's stack as text, innermost last, and the names of the modules on it."""

    text: str = ""
    modules: frozenset[str] = frozenset()


class Handle(Protocol):
    """A started child, as its supervisor holds it. No call blocks."""

    @property
    def activity(self) -> Activity:
        """What it does now."""

    @property
    def alive(self) -> bool:
        """Whether its thread is there."""

    @property
    def refused(self) -> int:
        """How many effects of it were refused since ``fence``."""

    def stack(self) -> Stack:
        """Where its thread is now."""

    def stop(self) -> None:
        """Ask it to end in order."""

    def cancel(self, activity: Activity) -> int:
        """Ask the operation to end that ``activity`` shows; answers how many cancellers it had."""

    def fence(self) -> None:
        """It was given up: whatever it still does must have no effect."""

    def crash(self, error: BaseException) -> None:
        """End it with ``error``, as OTP's ``exit(Pid, Reason)``."""


class Starting(Protocol):
    """What ``start`` is given: who it is, and whom to tell."""

    @property
    def path(self) -> Path: ...
    @property
    def generation(self) -> int: ...
    def ready(self) -> None: ...
    def progress(self) -> None: ...
    def keep(self) -> None: ...
    def exited(self, reason: Exit) -> None: ...


@dataclass(frozen=True)
class Backoff:
    """Delay in seconds before a restart: none for the first failure, then growing to ``cap``.

    ``jitter`` is a share of the delay, applied before the cap. A child that was up ``reset_after``
    seconds (None: ``cap``) counts as healthy again.
    """

    initial: float = 0.25
    factor: float = 2.0
    cap: float = 60.0
    jitter: float = 0.2
    reset_after: float | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.initial <= self.cap and 1 <= self.factor <= 1000 and 0 <= self.jitter <= 1):
            raise ValueError(f"{self}: expected 0 <= initial <= cap, factor 1 to 1000, jitter 0 to 1")

    @property
    def healthy(self) -> float:
        """Seconds up after which the failures are forgotten."""
        return self.cap if self.reset_after is None else self.reset_after


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """A supervisor's flags: at most ``intensity`` restarts within ``period`` seconds.

    The window is the supervisor's, or with ``dynamic`` each child's own. ``max_children`` counts
    restarting and quarantined children too.
    """

    strategy: Strategy = "one_for_one"
    intensity: int = 3
    period: float = 5.0
    max_children: int | None = None

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Strategy):
            raise ValueError(f"strategy {self.strategy!r}: expected one of {get_args(Strategy)}")
        if self.intensity < 0 or self.period <= 0:
            raise ValueError(f"intensity {self.intensity}, period {self.period}: expected >= 0 and > 0")
        if self.max_children is not None and self.max_children < 0:
            raise ValueError(f"max_children {self.max_children}: expected >= 0, or None for no limit")


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """One child. ``start`` must not block and may be called again; ``supervision`` makes it a supervisor.

    ``start_timeout``: seconds until it must be up, from its start or its last word of progress.

    ``shutdown``: seconds it is given to end, ``brutal`` for none, ``infinity`` for all it needs.
    ``name``: what the bus calls it, "" when it has no mailbox. ``on_trial``: nothing is
    kept of a child added later whose first start fails, as with OTP's ``start_child``, unless it said
    ``keep`` before; False if it is needed.
    """

    id: str
    start: Callable[[Starting], Handle] | None = None
    supervision: Supervision | None = None
    children: tuple[ChildSpec, ...] = ()
    restart: Restart = "permanent"
    shutdown: Shutdown = 5.0
    start_timeout: float = 10.0
    backoff: Backoff = field(default_factory=Backoff)
    permanent_errors: tuple[type[BaseException], ...] = ()
    on_give_up: GiveUp = "escalate"
    on_trial: bool = True
    name: str = ""

    def __new__(cls, **fields: Any) -> ChildSpec:
        """Raises TypeError for a field that there is not."""
        known = cls.__dataclass_fields__
        for key in fields.keys() - known.keys():
            raise TypeError(f"child {fields.get('id')!r}: {key}: expected one of {', '.join(known)}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        def refuse(key: str, expected: str) -> None:
            raise ValueError(f"child {self.id!r}: {key} {getattr(self, key)!r}: expected {expected}")

        if not self.id:
            refuse("id", "a name")
        if (self.start is None) == (self.supervision is None):
            refuse("start", "either start or supervision")
        if self.restart not in get_args(Restart):
            refuse("restart", f"one of {get_args(Restart)}")
        if self.on_give_up not in get_args(GiveUp):
            refuse("on_give_up", f"one of {get_args(GiveUp)}")
        number = isinstance(self.shutdown, (int, float)) and self.shutdown >= 0
        if not (number or self.shutdown in ("brutal", "infinity")):
            refuse("shutdown", "brutal, infinity or seconds")
        if not self.start_timeout > 0:
            refuse("start_timeout", "more than 0 seconds")
        if self.children and self.supervision is None:
            refuse("children", "none, for it is no supervisor")
        if len({child.id for child in self.children}) != len(self.children):
            refuse("children", "ids that differ")

    @property
    def seconds(self) -> float:
        """How long an orderly stop may take."""
        if self.shutdown == "brutal":
            return 0.0
        return float("inf") if self.shutdown == "infinity" else float(self.shutdown)
