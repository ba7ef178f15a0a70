"""Who restarts with whom, and who is answered meanwhile, with real actors on a real bus."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from embervirt.actors.actor import Actor, Context, handles
from embervirt.errors import ActorUnavailable, libvirtError
from embervirt.supervisor.child import actor_child
from embervirt.supervisor.spec import Backoff, ChildSpec, Strategy
from unit.actors.harness import PATIENCE, Echo
from unit.supervisor.real import ROOT, SLOW, Root, settled, wait_for
from unit.supervisor.world import AT_ONCE, supervisor

ENDLESS = Backoff(initial=0.01, factor=1, cap=0.01, jitter=0)
"""A loop of restarts: a hundred attempts a second."""


class Order:
    """What the children of a group did, in order: ``+a1`` started, ``-a1`` ended."""

    def __init__(self, root: Root) -> None:
        self.said: list[str] = []
        self._root = root

    def child(self, id_: str, refuse: Callable[[int], bool] = lambda generation: False) -> ChildSpec:
        """One that fails to start in the generations that ``refuse`` says."""
        said = self.said

        class Ordered(Actor):
            def setup(self) -> None:
                said.append(f"+{id_}{self.context.generation}")
                self.resources.callback(said.append, f"-{id_}{self.context.generation}")
                if refuse(self.context.generation):
                    raise ValueError("not now")

            @handles(Echo)
            def echo(self, request: Echo) -> str:
                return request.text

        return actor_child(id_, Ordered, self._root.bus, backoff=AT_ONCE)

    def after(self, crash: str, *ids: str) -> list[str]:
        """What follows from a crash, once all are up again."""
        before = self._root.generation(crash)
        self.said.clear()
        self._root.crash("root", crash)
        wait_for(self._root.supervisor, crash, lambda node: node.generation > before)
        for id_ in ids:
            wait_for(self._root.supervisor, id_, lambda node: node.state == "up")
        return list(self.said)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_one", ["-b1", "+b2"]),
        ("one_for_all", ["-b1", "-c1", "-a1", "+a2", "+b2", "+c2"]),
        ("rest_for_one", ["-b1", "-c1", "+b2", "+c2"]),
    ],
)
def test_c01_c02_c03_what_is_held_is_released_in_reverse_and_taken_in_order(
    root: Root, strategy: Strategy, expected: list[str]
) -> None:
    """Each child has let go of everything before the next one of the group begins."""
    order = Order(root)
    root.open(*map(order.child, "abc"), strategy=strategy)
    assert order.after("b", "a", "b", "c") == expected


def test_c06_a_group_whose_start_fails_part_way_starts_all_over(root: Root) -> None:
    """one_for_all: the first, which had come back, is stopped again before the next attempt."""
    order = Order(root)
    second = order.child("b", refuse=lambda generation: generation == 2)
    root.open(order.child("a"), second, order.child("c"), strategy="one_for_all")
    said = order.after("c", "a", "b", "c")
    assert said == ["-c1", "-b1", "-a1", "+a2", "+b2", "-b2", "-a2", "+a3", "+b3", "+c2"]


def test_c07_a_group_whose_start_fails_part_way_goes_on_from_there(root: Root) -> None:
    """rest_for_one: the one that died is back, and is not restarted again."""
    order = Order(root)
    third = order.child("c", refuse=lambda generation: generation == 2)
    root.open(order.child("a"), order.child("b"), third, order.child("d"), strategy="rest_for_one")
    said = order.after("b", "a", "b", "c", "d")
    assert said == ["-b1", "-d1", "-c1", "+b2", "+c2", "-c2", "+c3", "+d2"]


def quickest(*calls: Callable[[], object]) -> float:
    """Seconds that the fastest of these took, for others use this machine too."""
    took = []
    for call in calls:
        began = time.monotonic()
        call()
        took.append(time.monotonic() - began)
    return min(took)


def test_c08_requests_are_answered_within_100_ms_during_a_restart_loop(root: Root) -> None:
    """List, count, add, stop one, stop all; the loop that is stopped makes no further attempt."""
    guests, path = supervisor("guests", (), "dynamic", 1_000_000), ("root", "guests")
    sup, loops = root.open(guests), ["loop1", "loop2", "loop3", "other"]
    for id_ in loops:
        sup.start_child(path, root.child(id_, backoff=ENDLESS)).result(PATIENCE)
        root.worlds[id_].starts = [ValueError("for ever") for _ in range(100_000)]
        root.crash("root", "guests", id_)
    wait_for(sup, "guests", lambda node: all(each.generation > 3 for each in node.children))
    assert quickest(*[lambda: len(sup.picture().children[0].children)] * 10) < 0.1
    new = [root.child(id_) for id_ in "abcdefghij"]
    starts = [partial(sup.start_child, path, spec) for spec in new]
    assert quickest(*[lambda start=start: start().result(PATIENCE) for start in starts]) < 0.1
    stops = [partial(sup.stop_child, (*path, id_)) for id_ in (*loops[:3], *"defghij")]
    assert quickest(*[lambda stop=stop: stop().result(PATIENCE) for stop in stops]) < 0.1
    settled(sup)
    tried = [len(root.worlds[id_].setups) for id_ in loops[:3]]
    for id_ in loops[:3]:
        with pytest.raises(ActorUnavailable):
            root.bus.call(id_, Echo("x"))
    assert [each.id for each in sup.picture().children[0].children] == ["other", *"abc"]
    assert quickest(lambda: sup.close(PATIENCE)) < PATIENCE / 2
    assert [len(root.worlds[id_].setups) for id_ in loops[:3]] == tried


def test_c09_a_place_is_free_again_after_a_deletion(root: Root) -> None:
    """One runs, one is being restarted, one is in quarantine: a fourth is refused, then there is room."""
    sup = root.open(supervisor("guests", (), "dynamic", 1, max_children=3))
    path = ("root", "guests")
    specs = {
        "up": root.child("up"),
        "restarting": root.child("restarting", backoff=SLOW),
        "quarantined": root.child("quarantined", on_give_up="quarantine"),
    }
    for spec in specs.values():
        sup.start_child(path, spec).result(PATIENCE)
    root.worlds["quarantined"].starts = [ValueError("no disk") for _ in range(9)]
    root.crash(*path, "quarantined")
    wait_for(sup, "guests", lambda node: node.children[2].state == "quarantined")
    root.worlds["restarting"].blocked_starts = 1
    root.crash(*path, "restarting")
    root.held("restarting")
    with pytest.raises(ActorUnavailable, match=r"guests has its 3 children already \(max_children\)"):
        sup.start_child(path, root.child("fourth")).result(PATIENCE)
    sup.stop_child((*path, "quarantined")).result(PATIENCE)
    sup.start_child(path, root.child("fourth")).result(PATIENCE)
    assert [each.id for each in sup.picture().children[0].children] == ["up", "restarting", "fourth"]


def test_c10_a_restarted_child_keeps_its_place_in_the_shutdown(root: Root) -> None:
    """a, b, c; b is killed, d is added; they stop as d, c, b, a."""
    order: list[str] = []

    class Ordered(Actor):
        def __init__(self, context: Context) -> None:
            super().__init__(context)

        def teardown(self) -> None:
            order.append(f"{self.context.name}{self.context.generation}")

    def child(id_: str) -> ChildSpec:
        return actor_child(id_, Ordered, root.bus, backoff=AT_ONCE)

    sup = root.open(*map(child, "abc"))
    root.crash("root", "b")
    wait_for(sup, "b", lambda node: node.generation == 2 and node.state == "up")
    sup.start_child(ROOT, child("d")).result(PATIENCE)
    assert sup.close(PATIENCE)
    assert order == ["d1", "c1", "b2", "a1"]


def test_c04_two_that_die_in_one_instant_are_one_group_restart(root: Root) -> None:
    """Their ends reach the supervisor in one go; every child starts once, one restart is counted."""
    sup = root.open(*(root.child(id_) for id_ in "abc"), strategy="one_for_all")

    def both(now: float) -> None:
        for id_ in "ac":
            child = sup.tree.find(("root", id_))
            assert child is not None
            sup._handles[child].crash(RuntimeError("together"))
        for id_ in "ac":
            assert root.worlds[id_].released.get(timeout=PATIENCE) == 1

    sup.post(both)
    settled(sup)
    for id_ in "abc":
        wait_for(sup, id_, lambda node: node.state == "up" and node.generation == 2)
        assert root.worlds[id_].setups == [1, 2]
    assert len(sup.tree.root.log) == 1


def test_c05_a_sibling_that_crashes_while_the_group_stops_costs_no_restart(root: Root) -> None:
    """Its teardown raises: reported, and one group restart all the same."""
    sup = root.open(*(root.child(id_) for id_ in "abc"), strategy="one_for_all")
    root.worlds["c"].bad_teardown = OSError("torn down")
    root.crash("root", "b")
    for id_ in "abc":
        wait_for(sup, id_, lambda node: node.state == "up" and node.generation == 2)
    [bad] = wait_for(sup, "c", lambda node: node.exits)
    assert bad.reason == "error(OSError: torn down)"
    assert len(sup.tree.root.log) == 1
    with pytest.raises(libvirtError):
        root.bus.call("nobody", Echo("x"))
