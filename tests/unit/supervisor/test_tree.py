"""The tree as plain state: who starts, who stops, in which order, and when it gives up. Virtual time only."""

from __future__ import annotations

from typing import Any

import pytest

from embervirt.actors.exits import NORMAL, SHUTDOWN, Exit
from embervirt.supervisor.report import failed, picture
from embervirt.supervisor.spec import Backoff, Strategy
from unit.supervisor.world import ERROR, World, leaf, supervisor

TERM = Exit("shutdown", term="asked")


def three(strategy: Strategy = "one_for_one", **fields: Any) -> World:
    """A root with a, b, c, all up."""
    world = World(supervisor("root", [leaf(id_, **fields) for id_ in "abc"], strategy))
    world.said()
    return world


# A: start.


def test_children_start_in_order_each_when_the_one_before_is_up() -> None:
    """Also one_for_one: the first start is sequential."""
    world = World(supervisor("root", [leaf(id_) for id_ in "abc"]), automatic=False)
    assert world.said() == ["start a1"]
    world.ready(world.at("a"))
    assert world.go().said() == ["start b1"]
    world.ready(world.at("b"))
    world.go()
    world.ready(world.at("c"))
    assert world.go().phases("root", "c") == ["up", "up"]


@pytest.mark.parametrize("state", ["running", "restarting", "stopped"])
def test_a01_a_second_child_of_one_id_is_refused_in_every_state(state: str) -> None:
    """A01: and the first is left as it is."""
    world = three(backoff=Backoff())
    if state == "restarting":
        world.kill("b").kill("b")
    if state == "stopped":
        world.stop("b")
    before = world.at("b")
    with pytest.raises(ValueError, match="root has a child b already"):
        world.tree.add(world.tree.root, leaf("b"))
    assert world.at("b") is before


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_a06_an_initial_start_that_fails_takes_its_supervisor_down(restart: Any) -> None:
    """A06: the first is stopped, the third never started, the reason carries id and exception."""
    world = World(supervisor("root"))
    spec = supervisor("inner", [leaf("a"), leaf("b", restart=restart), leaf("c")])
    world.failing["b"] = 1
    inner = world.add("root", spec)
    assert world.said() == ["start a1", "start b1", "stop a1"]
    reason = inner.exits[-1][2]
    assert str(reason) == "start_failed(start_failed(RuntimeError: no start))"
    assert reason.doing == "child b"
    assert isinstance(reason.error, RuntimeError)
    assert not world.has("inner")


def test_the_first_start_of_an_added_child_is_on_trial() -> None:
    """It fails: nothing is kept, nothing is counted, nobody else notices."""
    world = three()
    world.failing["d"] = 1
    world.add("root", leaf("d"))
    assert not world.has("d")
    assert world.changes[-1].gone
    assert (world.reports, world.tree.root.log, world.phases("a", "b", "c")) == ([], (), ["up"] * 3)


def test_a_first_start_that_made_what_must_be_looked_after_is_tried_again() -> None:
    """Who asked for it waits for the generation that comes up; a word of another generation is not heard."""
    world = three()
    world.slow = {"d"}
    child = world.add("root", leaf("d"))
    world.tree.keep(child, 1)
    world.slow.clear()
    world.said()
    world.kill("d")
    assert (world.said(), world.phases("d")) == (["start d2"], ["up"])
    assert [failed(each).reason for each in world.reports] == ["error(RuntimeError: boom)"]
    world.slow = {"e"}
    other = world.add("root", leaf("e"))
    world.tree.keep(other, 2)
    world.kill("e")
    assert not world.has("e")


def test_a_first_start_that_is_kept_while_it_is_stopped_with_others_is_no_trial_any_more() -> None:
    """The generation after the restart of all may fail: it is tried again, too."""
    world = World(supervisor("root", [leaf("a")], "one_for_all"))
    world.slow = world.deaf = {"d"}
    child = world.add("root", leaf("d"))
    world.kill("a")
    assert world.phases("d") == ["stopping"]
    world.tree.keep(child, 1)
    world.kill("d", reason=SHUTDOWN)
    assert (world.generations("d"), world.phases("d")) == ([2], ["starting"])
    world.slow = set()
    world.kill("d")
    assert (world.generations("d"), world.phases("a", "d")) == ([3], ["up", "up"])


def test_a08_l04_a_start_that_takes_too_long_is_abandoned() -> None:
    """A08: fenced, counted as a failed start, tried again; the sibling does not wait for it."""
    world = three(start_timeout=2)
    world.slow = {"b"}
    world.kill("b")
    world.kill("c")
    assert world.said() == ["start b2", "start c2"]
    world.slow.clear()
    world.wait(1.999)
    assert world.phases("b", "c") == ["starting", "up"]
    world.wait(2)
    assert world.said() == ["abandon b2", "start b3"]
    assert [failed(each).reason for each in world.reports][-1] == "start_timeout"


# B: restart types.


@pytest.mark.parametrize("reason", [NORMAL, TERM, ERROR])
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_b01_b02_b03_b04_b05_b06_b07_b08_b09_the_nine_cells(restart: Any, reason: Exit) -> None:
    """B01-B09: permanent always comes back, transient after an error, temporary never, and its spec goes."""
    world = three(restart=restart)
    world.kill("b", reason=reason)
    back = {"permanent": True, "transient": reason is ERROR, "temporary": False}[restart]
    assert world.said() == (["start b2"] if back else [])
    assert world.has("b") is (restart != "temporary")
    assert len(world.reports) == (reason is ERROR or back)
    assert world.phases("a", "c") == ["up", "up"]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_b07_a_temporary_bystander_is_not_restarted(strategy: Strategy) -> None:
    """B07: as collateral of a group restart it is stopped, and its specification goes."""
    world = World(supervisor("root", [leaf("a"), leaf("b"), leaf("t", restart="temporary")], strategy))
    world.said()
    world.kill("b")
    assert not world.has("t")
    assert "stop t1" in world.log
    assert not [line for line in world.log if line.startswith("start t")]
    assert world.phases("a", "b") == ["up", "up"]


def test_a_transient_bystander_is_restarted() -> None:
    """It did not end by itself."""
    world = World(supervisor("root", [leaf("a"), leaf("t", restart="transient")], "one_for_all"))
    world.kill("a")
    assert world.generations("a", "t") == [2, 2]


def test_b10_a_restarted_child_keeps_its_identity_and_gets_a_generation() -> None:
    """B10: the same id, generation + 1; what the old generation still reports is not heard."""
    world = three()
    old = world.at("b")
    world.kill("b")
    assert world.at("b") is old
    assert old.generation == 2
    world.tree.exited(old, 1, ERROR, world.now)
    world.tree.ready(old, 1, world.now)
    assert world.go().phases("b") == ["up"]
    assert world.generations("b") == [2]


def test_b11_one_that_dies_before_it_is_up_failed_to_start() -> None:
    """B11: counted as a failed start, so no time up forgives it."""
    world = three(backoff=Backoff(initial=1, cap=1, jitter=0, reset_after=0))
    world.slow = {"b"}
    world.kill("b").kill("b")
    assert world.at("b").failures == 2
    assert world.said() == ["start b2"]
    assert world.wait(1).said() == ["start b3"]


# C: strategies.


def test_c01_one_for_one() -> None:
    """C01: the others keep their generation."""
    world = three("one_for_one")
    assert world.kill("b").said() == ["start b2"]
    assert world.generations("a", "b", "c") == [1, 2, 1]


def test_c02_one_for_all() -> None:
    """C02: the others stop in reverse order, then all start in order."""
    world = three("one_for_all")
    assert world.kill("b").said() == ["stop c1", "stop a1", "start a2", "start b2", "start c2"]


def test_c03_rest_for_one() -> None:
    """C03: those after it stop and start; those before keep their generation."""
    world = three("rest_for_one")
    assert world.kill("b").said() == ["stop c1", "start b2", "start c2"]
    assert world.generations("a", "b", "c") == [1, 2, 2]


def test_nothing_starts_while_a_later_victim_is_still_up() -> None:
    """rest_for_one: the restart waits for the last of those that use what died."""
    world = three("rest_for_one")
    world.deaf = {"c"}
    assert world.kill("b").said() == ["stop c1"]
    assert world.wait(4.9).said() == []
    assert world.wait(5).said() == ["abandon c1", "start b2", "start c2"]


def test_c04_two_that_die_together_are_one_group_restart() -> None:
    """C04: counted once, no double start."""
    world = three("one_for_all")
    world.kill("a", "c")
    assert sorted(world.said()[-3:]) == ["start a2", "start b2", "start c2"]
    assert len(world.tree.root.log) == 1


def test_c05_a_sibling_that_dies_while_the_group_stops_is_no_extra_restart() -> None:
    """C05: reported, not counted."""
    world = three("one_for_all")
    world.deaf = {"c"}
    world.kill("b")
    world.deaf.clear()
    world.kill("c")
    assert world.generations("a", "b", "c") == [2, 2, 2]
    assert len(world.tree.root.log) == 1
    assert [failed(each).context for each in world.reports] == ["child_terminated", "shutdown_error"]


def test_c06_a_group_start_that_fails_part_way_one_for_all() -> None:
    """C06: what this attempt had started is stopped first, then all start again."""
    world = three("one_for_all")
    world.failing["b"] = 1
    assert world.kill("c").said() == [
        "stop b1", "stop a1", "start a2", "start b2", "stop a2", "start a3", "start b3", "start c2",
    ]  # fmt: skip
    assert len(world.tree.root.log) == 2


def test_c07_a_group_start_that_fails_part_way_rest_for_one() -> None:
    """C07: what already came back is not restarted again."""
    world = World(supervisor("root", [leaf(id_) for id_ in "abcd"], "rest_for_one"))
    world.said()
    world.failing["c"] = 1
    assert world.kill("b").said() == ["stop d1", "stop c1", "start b2", "start c2", "start c3", "start d2"]
    assert world.generations("a", "b", "c", "d") == [1, 2, 3, 2]


def test_the_group_waits_out_the_delay_together() -> None:
    """Victims stop now; the group starts when the delay is over, in order."""
    world = three("one_for_all", backoff=Backoff(initial=2, cap=2, jitter=0))
    world.kill("b")
    world.said()
    assert world.kill("b").said() == ["stop c2", "stop a2"]
    assert world.wait(1.999).said() == []
    assert world.wait(2).said() == ["start a3", "start b3", "start c3"]


def test_c08_d09_a_stop_during_a_restart_loop_cancels_it() -> None:
    """C08, D09: it never starts again, and the world is told that it is down."""
    world = three(backoff=Backoff(initial=30, cap=30, jitter=0))
    world.kill("b").kill("b")
    world.said()
    world.stop("b")
    assert world.changes[-1].reason == SHUTDOWN
    assert world.wait(1000).said() == []
    assert world.phases("a", "b", "c") == ["up", "down", "up"]


def test_c09_max_children_counts_all_that_are_listed() -> None:
    """C09: one running, one restarting, one quarantined; a fourth is refused until one is deleted."""
    world = World(supervisor("root", [supervisor("guests", (), "dynamic", 1, max_children=3)]))
    delayed = {"backoff": Backoff(initial=5, cap=5, jitter=0, reset_after=3), "on_give_up": "quarantine"}
    for id_ in ("up", "restarting", "quarantined"):
        world.add("guests", leaf(id_, **delayed))
    world.kill("quarantined").kill("quarantined")
    world.slow = {"restarting"}
    world.kill("restarting")
    assert picture(world.at("quarantined")).state == "quarantined"
    with pytest.raises(ValueError, match=r"guests has its 3 children already \(max_children\)"):
        world.add("guests", leaf("fourth"))
    world.stop("quarantined")
    assert world.add("guests", leaf("fourth")).phase == "up"


def test_c10_the_order_is_kept_whatever_was_restarted() -> None:
    """C10: start a, b, c; kill b; add d; stop all: d, c, b, a."""
    world = three()
    world.kill("b")
    world.add("root", leaf("d"))
    world.said()
    assert world.stop("root").said() == ["stop d1", "stop c1", "stop b2", "stop a1"]


def test_a_child_has_a_fixed_place() -> None:
    """Added later, in front of those that use it: it stops after them."""
    world = three()
    world.tree.add(world.tree.root, leaf("x"), before=frozenset({"b", "c"}))
    world.go().said()
    assert world.stop("root").said() == ["stop c1", "stop b1", "stop x1", "stop a1"]
