"""Which operations in hand are overdue, and what to do about it (SUPERVISION 3.8). No threads, no clock.

An operation that outran the limit it declared is reported, then asked to end, and after a grace its actor
is given up, one stage a look. Whoever waits for another that is at work is left alone: the other is watched
too. In a cycle of those the last in the order of start is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from embervirt.actors.activity import Activity

K = TypeVar("K")
Verdict = Literal["warn", "cancel", "fence"]
Find = Callable[[str], K | None]
AFTER: dict[Verdict | None, Verdict] = {None: "warn", "warn": "cancel", "cancel": "fence"}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds, all but ``zombies`` and the factors.

    ``operation``: for one that declares none; ``grace``: between overdue and given up; ``cap``: how often the
    limit may be had by progress; ``load``: all times that, while every line of the program is traced;
    ``every``: between two looks; ``zombies``: threads that were given up and are still there.
    """

    operation: float = 30.0
    grace: float = 1.0
    cap: float = 10.0
    load: float = 50.0
    every: float = 0.5
    zombies: int = 8


class Seen(NamedTuple):
    """An operation at its first look: how much time the watch had lost until then; and what came of it."""

    step: float
    lost: float
    stage: Verdict | None = None


class Overdue(NamedTuple, Generic[K]):
    """``who`` was due ``late`` seconds ago. ``cycle``: all who wait for each other, when that is why."""

    who: K
    verdict: Verdict
    activity: Activity
    late: float
    cycle: tuple[K, ...] = ()


class Watch(Generic[K]):
    """``look`` is called every ``limits.every`` seconds; what it is late by, nobody can be blamed for.

    ``rank``: place in the order of start.
    """

    def __init__(self, limits: Limits, rank: Callable[[K], int]) -> None:
        self.limits, self._rank = limits, rank
        self._seen: dict[K, Seen] = {}
        self._lost, self._looked = 0.0, float("inf")

    def look(
        self, now: float, busy: Mapping[K, Activity], find: Find[K], factor: float = 1.0
    ) -> list[Overdue[K]]:
        """What to do. ``busy``: those with an operation in hand; ``find``: whom ``asks`` means."""
        before, passed = self._lost, now - self._looked
        self._lost += passed - self.limits.every if passed > 2 * self.limits.every else 0.0
        self._looked = now
        self._seen = {who: self._noted(who, each, before) for who, each in busy.items()}
        found = [self._judged(who, busy, find, now, factor) for who in busy]
        return [each for each in found if each is not None]

    def _noted(self, who: K, activity: Activity, lost: float) -> Seen:
        seen = self._seen.get(who)
        return seen if seen is not None and seen.step == activity.step else Seen(activity.step, lost)

    def _judged(
        self, who: K, busy: Mapping[K, Activity], find: Find[K], now: float, factor: float
    ) -> Overdue[K] | None:
        seen, activity = self._seen[who], busy[who]
        late = now - (self._lost - seen.lost) - activity.due(self.limits.operation, self.limits.cap, factor)
        if late < 0 or activity.paused or seen.stage == "fence":
            self._seen[who] = seen._replace(stage=None) if late < 0 else seen
            return None
        verdict, chain = AFTER[seen.stage], waits(who, busy, find)
        cycle = chain[:-1] if chain[-1] == who and len(chain) > 1 else ()
        excused = len(chain) > 1 and (not cycle or who != max(cycle, key=self._rank))
        if verdict != "warn" and (excused or (verdict == "fence" and late < self.limits.grace * factor)):
            return None
        self._seen[who] = seen._replace(stage=verdict)
        return Overdue(who, verdict, activity, late, cycle)


def waits(who: K, busy: Mapping[K, Activity], find: Find[K]) -> tuple[K, ...]:
    """``who``, whom it waits for, and so on, among those at work; it ends where it meets itself."""
    chain = [who]
    while (asks := busy[chain[-1]].asks) and (asked := find(asks)) is not None and asked in busy:
        chain.append(asked)
        if asked in chain[:-1]:
            break
    return tuple(chain)
