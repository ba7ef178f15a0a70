"""Is there an order of a domain's calls that explains every answer? Wing and Gong's check, just in time.

A *configuration* is a state of the model, the calls under way that it takes for done, and the calls of
unknown end that it has not made use of yet; each of those may happen once, at any moment until it expires,
or never. At the end of each call those configurations stay in which that call can be done with its answer.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from soak.model import State, after, may_have


class Op(NamedTuple):
    """A call on one domain, with its answer."""

    id: int
    op: str
    begun: float
    ended: float
    code: int = 0
    value: int = 0
    text: str = ""


class Maybe(NamedTuple):
    """What may have happened, at some moment between the two; ``run``: the guest that a kill concerns.

    A kill is certain: by ``ended`` that guest is known to be gone.
    """

    id: int
    op: str
    begun: float
    ended: float
    run: int = 0
    text: str = ""


class Configuration(NamedTuple):
    """One way in which it can have been."""

    state: State
    done: frozenset[int] = frozenset()
    unused: frozenset[int] = frozenset()


class Unexplained(Exception):
    """No order of the calls explains this answer."""


BEGIN, END = range(2)
Entry = tuple[float, int, int, Op | Maybe]
"""When, begin or end, a number that makes it unique, and of what."""


@dataclass
class Domain:
    """All ways in which a domain's history can be explained so far."""

    name: str
    ways: set[Configuration] = field(default_factory=lambda: {Configuration(State())})
    _open: dict[int, Op] = field(default_factory=dict)
    _maybe: dict[int, Maybe] = field(default_factory=dict)
    _order: Iterator[int] = field(default_factory=itertools.count)

    _coming: list[Entry] = field(default_factory=list)

    def add(self, items: Iterable[Op | Maybe]) -> None:
        """What happened after the last ``advance``, in any order."""
        for item in items:
            self._at(item.begun, BEGIN, item)
            self._at(item.ended, END, item)

    def _at(self, time: float, kind: int, item: Op | Maybe) -> None:
        """What began at the moment another ended overlaps it."""
        heapq.heappush(self._coming, (time, kind, next(self._order), item))

    def advance(self, until: float) -> None:
        """To that moment; everything that began before it was added. Raises Unexplained."""
        while self._coming and self._coming[0][0] < until:
            _, kind, _, item = heapq.heappop(self._coming)
            if kind == BEGIN:
                self._begin(item)
            elif isinstance(item, Op):
                self._end(item)
            else:
                self._expire(item)

    def _begin(self, item: Op | Maybe) -> None:
        if isinstance(item, Op):
            self._open[item.id] = item
            return
        self._maybe[item.id] = item
        self.ways = {way._replace(unused=way.unused | {item.id}) for way in self.ways}

    def _end(self, op: Op) -> None:
        before = self.ways
        done = {way for way in self._reachable() if op.id in way.done}
        self.ways = _best(way._replace(done=way.done - {op.id}) for way in done)
        del self._open[op.id]
        if not self.ways:
            states = sorted({way.state for way in before})
            raise Unexplained(f"{op.op} {self.name} -> {op.text or op.value}: it was one of {states}")

    def _expire(self, maybe: Maybe) -> None:
        """It has happened by now, seen by nobody yet, or it never does."""
        before, run = self.ways, maybe.run if maybe.op == "kill" else None
        reached = [way for way in self._reachable() if run is None or not _runs(way.state, run)]
        self.ways = _best(way._replace(unused=way.unused - {maybe.id}) for way in reached)
        del self._maybe[maybe.id]
        if not self.ways:
            states = sorted({way.state for way in before})
            raise Unexplained(f"guest {maybe.run} of {self.name}, killed, was not seen to end: {states}")

    def _reachable(self) -> Iterator[Configuration]:
        """All ways from those so far by letting calls under way, and what may happen, happen."""
        found: dict[tuple[State, frozenset[int]], list[frozenset[int]]] = {}
        layer = self.ways
        while layer:
            fresh = [way for way in layer if _improves(found, way)]
            yield from fresh
            layer = {further for way in fresh for further in self._further(way)}

    def _further(self, way: Configuration) -> Iterator[Configuration]:
        for op in self._open.values():
            if op.id not in way.done:
                for state in after(way.state, op.op, op.code, op.value):
                    yield way._replace(state=state, done=way.done | {op.id})
        for maybe in self._distinct(way.unused):
            for state in may_have(way.state, maybe.op, maybe.run):
                yield way._replace(state=state, unused=way.unused - {maybe.id})

    def _distinct(self, unused: frozenset[int]) -> list[Maybe]:
        """Of several that are alike, the one that expires first: the others remain for later."""
        chosen: dict[tuple[str, int], Maybe] = {}
        for id_ in unused:
            maybe = self._maybe[id_]
            rival = chosen.setdefault((maybe.op, maybe.run), maybe)
            if (maybe.ended, maybe.id) < (rival.ended, rival.id):
                chosen[maybe.op, maybe.run] = maybe
        return list(chosen.values())


def _runs(state: State, run: int) -> bool:
    return state.active and state.run == run


def _improves(found: dict[tuple[State, frozenset[int]], list[frozenset[int]]], way: Configuration) -> bool:
    """Whether no way found before has the same state and as much left to make use of; then it is noted."""
    rivals = found.setdefault((way.state, way.done), [])
    if any(way.unused <= rival for rival in rivals):
        return False
    rivals.append(way.unused)
    return True


def _best(ways: Iterable[Configuration]) -> set[Configuration]:
    """Without those that can explain nothing that another of them cannot."""
    found: dict[tuple[State, frozenset[int]], list[frozenset[int]]] = {}
    ordered = sorted(set(ways), key=lambda way: -len(way.unused))
    return {way for way in ordered if _improves(found, way)}
