"""What a supervised actor costs: time to start and stop, threads, descriptors, memory, idle processor."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

import psutil
import structlog

from counted import descriptors, no_more_than, open_and_running
from embervirt.supervisor.tree import Tree
from unit.actors.harness import PATIENCE, Echo
from unit.supervisor.real import Root
from unit.supervisor.world import World, leaf, supervisor

GUESTS = ("root", "guests")
IDLE = 1.0
"""Seconds for which nothing is asked of anybody."""


class Cost(NamedTuple):
    """Of so many children: the processor's seconds to start and stop them, what they hold while they are up.

    Not the clock's: other programs take their share of that.
    """

    start: float
    stop: float
    threads: int
    descriptors: int
    memory: int


def held() -> tuple[int, int, int]:
    """Threads, descriptors and bytes of this process."""
    process = psutil.Process()
    return threading.active_count(), descriptors(), process.memory_info().rss


def cost(children: int, idle: float = 0.0) -> tuple[Cost, float]:
    """In a root of their own; also the share of a processor that it takes when idle."""
    at_first = open_and_running()
    root = Root()
    sup = root.open(supervisor("guests", (), "dynamic"))
    specs, before = [root.child(f"g{n}") for n in range(children)], held()
    began = time.process_time()
    for started in [sup.start_child(GUESTS, spec) for spec in specs]:
        started.result(PATIENCE)
    up, now = time.process_time(), held()
    used = time.process_time()
    if idle:
        threading.Event().wait(idle)
    share = (time.process_time() - used) / idle if idle else 0.0
    assert root.bus.call(f"g{children - 1}", Echo("x")) == "x"
    stopping = time.process_time()
    root.close()
    stop = time.process_time() - stopping
    assert no_more_than(at_first)
    return Cost(up - began, stop, *(a - b for a, b in zip(now, before, strict=True))), share


def test_o05_four_hundred_idle_children_cost_little_and_no_more_than_their_share() -> None:
    """Ten times as many take at most twelve times as long; each holds one thread and few descriptors."""
    with structlog.testing.capture_logs():
        cost(40)
        few = [cost(40)[0] for _ in range(6)]
        many = [cost(400)[0] for _ in range(3)]
        _, idle = cost(400, IDLE)
    start, stop = (min(getattr(each, what) for each in many) for what in ("start", "stop"))
    small_start, small_stop = (max(getattr(each, what) for each in few) for what in ("start", "stop"))
    times = f"start {small_start:.3f} -> {start:.3f} s, stop {small_stop:.3f} -> {stop:.3f} s"
    print(f"{times}, idle {idle:.4f}, {many[0]}")  # noqa: T201
    assert start <= 12 * small_start
    assert stop <= 12 * small_stop
    assert all(each.threads == 400 for each in many)
    assert all(each.descriptors <= 3 * 400 for each in many)
    assert all(each.memory <= 400 * 200_000 for each in many)
    assert idle < 0.05


def test_a_decision_takes_as_long_with_1_200_children_as_with_120() -> None:
    """Only what something happened to is looked at."""

    def decision(children: int) -> float:
        tree = World(supervisor("root", [leaf("events"), supervisor("guests", (), "dynamic")]))
        guests = tree.at("guests")
        for n in range(children):
            tree.tree.add(guests, leaf(f"g{n}"))
        tree.go()
        began = time.thread_time()
        for n in range(100):
            tree.exit(guests.children[f"g{n}"])
            tree.go()
            tree.tree.next_due(tree.now)
        return time.thread_time() - began

    assert min(decision(1200) for _ in range(3)) < 4 * max(decision(120) for _ in range(3))


class Forgetful(Tree):
    """Looks at everything each time, as if it did not know what happened."""

    def plan(self, now: float) -> list[object]:  # type: ignore[override]
        """As a tree without ``touched`` would."""
        for child in self.root.walk():
            child.touched = dict.fromkeys(child.children.values())
        return list(super().plan(now))


def test_looking_only_at_what_was_touched_decides_the_same() -> None:
    """Group restarts, starts that fail, one that does not stop: the same actions in the same order."""
    logs = []
    for kind in (Tree, Forgetful):
        spec = supervisor(
            "root",
            [leaf("a"), supervisor("s", [leaf("b"), leaf("c", shutdown=1.0)], "one_for_all"), leaf("d")],
            "rest_for_one",
        )
        tree = World(kind(spec, lambda low, high: 1.0))
        tree.deaf, tree.failing = {"c"}, {"b": 2, "d": 1}
        tree.kill("b").wait(5).kill("a").wait(10).kill("b", "d").wait(20).stop("s").wait(30).stop("root")
        logs.append(tree.wait(60).log)
    assert logs[0] == logs[1]
    assert len(logs[0]) > 20
