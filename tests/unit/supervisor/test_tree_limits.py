"""When a tree gives up, how it stops, and what it shows. Virtual time only."""

from __future__ import annotations

from typing import Any

from embervirt.actors.exits import SHUTDOWN, Exit
from embervirt.supervisor.policy import Dropped, GivingUp
from embervirt.supervisor.report import failed, picture, to_builtins
from embervirt.supervisor.spec import Backoff, ChildSpec, Strategy
from unit.supervisor.world import World, leaf, supervisor

TERM = Exit("shutdown", term="asked")


def three(strategy: Strategy = "one_for_one", **fields: Any) -> World:
    """A root with a, b, c, all up."""
    world = World(supervisor("root", [leaf(id_, **fields) for id_ in "abc"], strategy))
    world.said()
    return world


# D: intensity, delay, quarantine.


def test_d01_the_limit_is_the_supervisors_and_exact() -> None:
    """D01: failures of different children count together; the fourth at 10.000 s survives, at 9.999 s not."""
    for last, phase in ((10.0, "up"), (9.999, "down")):
        world = World(supervisor("root", [leaf(id_) for id_ in "abc"], intensity=3, period=10))
        for at, id_ in ((0, "a"), (1, "b"), (2, "c"), (last, "a")):
            world.wait(at).kill(id_)
        assert world.phases("root") == [phase]


def test_d06_a_dynamic_child_has_a_budget_of_its_own() -> None:
    """One that fails all the time ends alone; it is listed, and clear starts it with failures 0 (D06)."""
    world = World(supervisor("root", [supervisor("guests", (), "dynamic", 2)]))
    for id_ in ("good", "bad"):
        world.add("guests", leaf(id_, on_give_up="quarantine"))
    world.said()
    for _ in range(3):
        world.kill("bad")
    assert world.said() == ["start bad2", "start bad3"]
    assert world.at("bad").quarantined == "more than 2 restarts in 10 s, last error(RuntimeError: boom)"
    assert picture(world.at("bad")).state == "quarantined"
    assert world.wait(1000).said() == []
    assert world.clear("bad").said() == ["start bad4"]
    assert (world.at("bad").failures, world.phases("good")) == (0, ["up"])


def test_a_supervisor_as_dynamic_child_uses_up_its_budget() -> None:
    """Its children's restarts and its own are counted apart."""
    world = World(supervisor("root", [supervisor("guests", (), "dynamic", 2)]))
    world.add("guests", supervisor("guest", [leaf("a")], intensity=0, on_give_up="quarantine"))
    for _ in range(3):
        world.kill("a")
    assert (world.generations("guest"), picture(world.at("guest")).state) == ([3], "quarantined")


def test_d04_restarts_by_hand_do_not_count() -> None:
    """D04: a hundred stops and starts of a child use up nothing."""
    world = World(supervisor("root", [supervisor("guests", (), "dynamic", 1)]))
    for _ in range(100):
        world.add("guests", leaf("g"))
        world.stop("g")
    assert (world.reports, world.has("g"), world.phases("root")) == ([], False, ["up"])


def test_d08_a_permanent_error_is_quarantined_after_one_attempt() -> None:
    """D08: no restart is tried."""
    world = three(permanent_errors=(KeyError,), on_give_up="quarantine")
    world.kill("b", reason=Exit("error", KeyError("no such disk")))
    assert world.said() == []
    assert world.at("b").quarantined == "permanent error, error(KeyError: 'no such disk')"


def test_a_quarantined_child_holds_up_nobody() -> None:
    """Those after it start without it."""
    world = three("rest_for_one", permanent_errors=(KeyError,), on_give_up="quarantine")
    world.kill("a", reason=Exit("error", KeyError("x")))
    world.said()
    world.kill("b")
    assert world.said() == ["stop c1", "start b2", "start c2"]


def test_d09_stop_of_the_whole_during_a_delay() -> None:
    """D09: nothing waits for the delay."""
    world = three(backoff=Backoff(initial=30, cap=30, jitter=0))
    world.kill("b").kill("b")
    world.said()
    assert world.stop("root").said() == ["stop c1", "stop a1"]
    assert world.phases("root") == ["down"]
    assert world.tree.next_due(world.now) == float("inf")


def test_d11_a_healthy_time_is_counted_from_ready() -> None:
    """D11: the start itself, however long, is no healthy time."""
    world = three(backoff=Backoff(initial=1, cap=10, jitter=0, reset_after=5), start_timeout=100)
    world.slow = {"b"}
    world.kill("b").wait(50)
    world.ready(world.at("b"))
    world.go().wait(54.9).kill("b")
    assert world.at("b").failures == 2
    world.wait(56)
    world.ready(world.at("b"))
    world.go().wait(61).kill("b")
    assert world.at("b").failures == 1


# E: shutdown.


def test_e01_shutdown_is_strictly_reverse_and_sequential() -> None:
    """E01: the next stops when the one after it is down."""
    world = World(supervisor("root", [leaf(id_) for id_ in "abcde"]))
    world.said()
    world.automatic = False
    world.stop("root")
    for id_ in "edcb":
        assert world.said() == [f"stop {id_}1"]
        world.exit(world.at(id_), SHUTDOWN)
        world.go()
    assert world.said() == ["stop a1"]


def test_e02_each_child_has_its_own_time_to_stop() -> None:
    """E02: one ignores the stop and is fenced after its second; the others stop in order."""
    world = World(supervisor("root", [leaf("a"), leaf("b", shutdown=1.0), leaf("c")]))
    world.said()
    world.deaf = {"b"}
    assert world.stop("root").wait(0.99).said() == ["stop c1", "stop b1"]
    assert world.wait(1).said() == ["abandon b1", "stop a1"]
    assert world.phases("root") == ["down"]
    assert [failed(each).reason for each in world.reports] == ["fenced"]


def test_brutal_is_fenced_at_once_and_infinity_never() -> None:
    """OTP's two other forms; a brutal end is no failure to report."""
    world = World(supervisor("root", [leaf("a", shutdown="infinity"), leaf("b", shutdown="brutal")]))
    world.said()
    world.deaf = {"a", "b"}
    assert world.stop("root").said() == ["abandon b1", "stop a1"]
    assert world.wait(1e9).phases("a") == ["stopping"]
    assert world.reports == []


def test_e03_dynamic_children_stop_in_parallel() -> None:
    """E03: 200 are asked at once; three never answer and are fenced and reported after 2 s."""
    world = World(supervisor("root", [supervisor("guests", (), "dynamic")]))
    for n in range(200):
        world.add("guests", leaf(f"g{n}-", shutdown=2.0))
    world.said()
    world.deaf = {"g5-", "g6-", "g7-"}
    world.stop("root")
    assert len([line for line in world.log if line.startswith("stop")]) == 200
    assert world.wait(1.9).phases("guests") == ["stopping"]
    world.wait(2)
    assert world.phases("root") == ["down"]
    assert [failed(each).child for each in world.reports] == ["g5-", "g6-", "g7-"]


def test_e05_stopped_twice_is_stopped_once() -> None:
    """E05: the second changes nothing."""
    world = three()
    world.deaf = {"b"}
    world.stop("b").stop("b")
    assert world.said() == ["stop b1"]


def test_e09_a_crash_while_stopping_is_reported_and_the_rest_goes_on() -> None:
    """E09: as OTP's shutdown_error; it restarts nothing."""
    world = three()
    world.deaf = {"c"}
    world.stop("root")
    world.kill("c")
    report = failed(world.reports[-1])
    assert (report.context, report.child, report.decision) == ("shutdown_error", "c", "drop")
    assert world.said() == ["stop c1", "stop b1", "stop a1"]


def test_one_that_dies_before_its_turn_is_not_restarted() -> None:
    """During the stop of its supervisor no budget is used, however often."""
    world = World(supervisor("root", [supervisor("s", [leaf("a"), leaf("b")], intensity=0), leaf("z")]))
    world.said()
    world.deaf = {"b"}
    world.stop("s")
    world.kill("a")
    world.kill("b")
    assert world.said() == ["stop b1"]
    assert world.generations("s", "z") == [1, 1]
    told = [failed(each) for each in world.reports]
    assert [(each.child, each.context, each.decision) for each in told] == [
        ("a", "shutdown_error", "drop"),
        ("b", "shutdown_error", "drop"),
    ]


def test_e11_a_stop_during_a_start_stops_it() -> None:
    """E11: it is asked to end, and its late readiness is not heard."""
    world = three()
    world.slow, world.deaf = {"b"}, {"b"}
    world.kill("b").stop("b")
    world.ready(world.at("b"))
    assert world.go().phases("b") == ["stopping"]
    world.exit(world.at("b"), SHUTDOWN)
    assert world.go().phases("b") == ["down"]
    assert world.said() == ["start b2", "stop b2"]


# F: trees.


def two_levels(**inner: Any) -> World:
    """root > s (a, b), z."""
    world = World(
        supervisor("root", [supervisor("s", [leaf("a"), leaf("b")], **inner), leaf("z")], intensity=1)
    )
    world.said()
    return world


def test_f01_escalation_by_one_level() -> None:
    """F01: the inner supervisor gives up and is restarted whole, generation + 1; its sibling runs on."""
    world = two_levels(intensity=1)
    world.kill("a").kill("a")
    assert world.said() == ["start a2", "stop b1", "start a3", "start b2"]
    assert world.generations("s", "z") == [2, 1]
    assert [failed(each).decision for each in world.reports] == [
        "restart now",
        "give up: more than 1 restarts in 10 s, last error(RuntimeError: boom)",
        "restart now",
    ]
    assert failed(world.reports[-1]).reason == "shutdown(reached_max_restart_intensity)"


def test_a_restarted_supervisor_starts_with_an_empty_window() -> None:
    """As a new OTP supervisor would."""
    world = two_levels(intensity=1)
    world.kill("a").kill("a")
    world.kill("a")
    assert world.generations("s", "a") == [2, 4]


def test_f02_escalation_to_the_root() -> None:
    """F02: with all limits 0 one death ends everything, in order, and nothing starts again."""
    world = World(
        supervisor("root", [supervisor("s", [leaf("a"), leaf("b")], intensity=0), leaf("z")], intensity=0)
    )
    world.said()
    world.kill("a")
    assert world.said() == ["stop b1", "stop z1"]
    ended = world.changes[-1]
    assert (ended.child.path, str(ended.reason)) == (
        ("root",), "shutdown(reached_max_restart_intensity)",
    )  # fmt: skip
    assert world.wait(1e6).said() == []


def test_f03_dynamic_children_survive_an_escalation() -> None:
    """F03: OTP loses them; here they come back with their supervisor."""
    world = World(supervisor("root", [leaf("a"), supervisor("guests", (), "dynamic")], "rest_for_one"))
    world.add("guests", leaf("g"))
    world.add("guests", leaf("h"))
    world.said()
    world.kill("a")
    assert world.said() == ["stop g1", "stop h1", "start a2", "start g2", "start h2"]


def test_a_dynamic_supervisor_is_up_without_waiting_for_its_children() -> None:
    """A guest that cannot start holds up nobody behind."""
    world = World(
        supervisor("root", [leaf("a"), supervisor("guests", (), "dynamic"), leaf("z")], "one_for_all")
    )
    world.add("guests", leaf("g"))
    world.slow = {"g"}
    world.kill("a")
    assert world.phases("guests", "g", "z", "root") == ["up", "starting", "up", "up"]


def test_f04_two_escalations_at_once() -> None:
    """F04: two branches give up in the same instant: one orderly outcome."""
    branches = [supervisor(id_, [leaf(f"{id_}a"), leaf(f"{id_}b")], intensity=0) for id_ in "xy"]
    world = World(supervisor("root", branches, intensity=1))
    world.said()
    world.kill("xa", "ya")
    assert world.phases("root") == ["down"]
    assert world.live == {"xa": set(), "xb": set(), "ya": set(), "yb": set()}
    assert sorted(world.said()) == ["stop xb1", "stop yb1"]


def test_a_stop_of_a_supervisor_that_is_giving_up_wins() -> None:
    """Nothing restarts what was stopped, and no sibling is its victim."""
    world = World(
        supervisor("root", [supervisor("s", [leaf("a"), leaf("b")], intensity=0), leaf("z")], "rest_for_one")
    )
    world.deaf = {"b"}
    world.said()
    world.kill("a").stop("s")
    world.exit(world.at("b"), SHUTDOWN)
    assert world.go().said() == ["stop b1"]
    assert world.phases("s", "z") == ["down", "up"]


# What is shown.


def test_a_failure_report_has_the_same_fields_each_time() -> None:
    """Supervisor, context, reason, child, generation, restarts within the window, decision, what it did."""
    world = three(backoff=Backoff(initial=2, cap=2, jitter=0))
    world.kill("b", reason=Exit("error", RuntimeError("boom"), "Define")).kill("b")
    first, second = (to_builtins_of(each) for each in world.reports)
    assert first == {
        "supervisor": "root", "context": "child_terminated", "child": "b", "generation": 1, "restarts": 1,
        "reason": "error(RuntimeError: boom)", "decision": "restart now", "doing": "Define",
    }  # fmt: skip
    assert (second["generation"], second["restarts"], second["decision"]) == (2, 2, "restart in 2 s")
    assert first.keys() == second.keys()


def to_builtins_of(report: Any) -> dict[str, Any]:
    """The report's fields."""
    event = failed(report)
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_the_picture_shows_the_last_sixteen_exits() -> None:
    """With generation, time, reason and what it was doing."""
    world = three()
    for n in range(20):
        world.wait(n).kill("b", reason=Exit("error", RuntimeError(str(n)), "Define"))
    shown = to_builtins(picture(world.tree.root))["children"][1]
    assert [each["generation"] for each in shown["exits"]] == list(range(5, 21))
    assert shown["exits"][-1] == {
        "generation": 20,
        "at": 19,
        "reason": "error(RuntimeError: 19)",
        "doing": "Define",
        "traceback": "RuntimeError: 19\n",
    }
    assert (shown["state"], shown["restarts"], shown["kind"]) == ("up", 20, "actor")


def test_the_decisions_name_what_becomes_of_the_child() -> None:
    """Drop for what its type lets go, give up when the limit is reached."""
    world = three(restart="temporary")
    world.kill("b")
    assert isinstance(world.reports[0].decision, Dropped)
    world = World(supervisor("root", [leaf("a")], intensity=0))
    world.kill("a")
    assert isinstance(world.reports[0].decision, GivingUp)


def test_a_tree_finds_by_path() -> None:
    """From the root's own id on; anything else is None."""
    world = two_levels()
    assert world.tree.find(("root", "s", "b")) is world.at("b")
    assert [world.tree.find(path) for path in ((), ("s",), ("root", "q"), ("root", "q", "r"))] == [None] * 4


def test_a_specification_is_never_changed() -> None:
    """A tree may be built twice from one."""
    spec: ChildSpec = supervisor("root", [leaf("a")])
    World(spec).kill("a")
    assert World(spec).generations("a") == [1]
