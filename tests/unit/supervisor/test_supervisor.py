"""The supervisor's thread with real actors on a real bus."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.fence import Fenced
from embervirt.errors import (
    ActorUnavailable,
    InternalError,
    InvalidConnection,
    NotStarted,
    OperationFailed,
    OutcomeUnknown,
    Quarantined,
)
from embervirt.supervisor.child import actor_child
from embervirt.supervisor.spec import Backoff, Strategy
from unit.actors.harness import PATIENCE, Asking, Count, Echo, Fail, Hold, Server, World
from unit.supervisor.real import ROOT, SLOW, Root, settled, wait_for
from unit.supervisor.world import AT_ONCE, supervisor

# Start.


def test_all_are_up_when_start_is_done(root: Root) -> None:
    """And answer."""
    root.open(root.child("a"), root.child("b"))
    assert [root.bus.call(id_, Echo(id_)) for id_ in "ab"] == ["a", "b"]


@pytest.mark.parametrize("error", [ValueError("no disk"), SystemExit(3), KeyboardInterrupt()])
def test_a06_a09_a_first_start_that_fails_at_k_undoes_the_rest(root: Root, error: BaseException) -> None:
    """A06, A09: the first is stopped, the third never made; the reason has id and exception."""
    children = [root.child(id_) for id_ in "abc"]
    root.worlds["b"].starts = [error]
    with pytest.raises(InternalError, match="root: start_failed") as caught:
        root.build(*children).start().result(PATIENCE)
    assert type(error).__name__ in str(caught.value)
    worlds = [root.worlds[id_] for id_ in "abc"]
    assert [world.setups for world in worlds] == [[1], [1], []]
    assert worlds[0].teardowns == [1]
    assert [world.released.get(timeout=PATIENCE) for world in worlds[:2]] == [1, 1]
    assert root.failed.get(timeout=PATIENCE).startswith("the root failed: start_failed")


def test_an_expected_error_in_a_start_keeps_its_class(root: Root) -> None:
    """Whoever opens the root gets the driver's own error."""
    child = root.child("a")
    root.worlds["a"].starts = [OperationFailed("no such disk")]
    with pytest.raises(OperationFailed, match="operation failed: no such disk"):
        root.build(child).start().result(PATIENCE)


def test_one_that_cannot_be_made_failed_to_start(root: Root) -> None:
    """Its constructor raises, on the supervisor's thread, whatever it raises."""

    def make(context: Context) -> Actor:
        raise SystemExit(context.name)

    supervisor = root.open(root.child("a"))
    started = supervisor.start_child(ROOT, actor_child("bad", make, root.bus))
    with pytest.raises(InternalError, match="root/bad: start_failed"):
        started.result(PATIENCE)
    assert root.bus.call("a", Echo("x")) == "x"


def test_a_stop_that_meets_a_start_that_cannot_be_made(root: Root) -> None:
    """Both in one round of the supervisor: it goes on."""
    tries: list[int] = []

    def make(context: Context) -> Actor:
        tries.append(context.generation)
        if len(tries) > 1:
            root.supervisor.stop_child(("root", "bad"))
            raise OSError("no thread")
        return Server(context, world)

    world = root.worlds["bad"] = World()
    root.open(root.child("a"), actor_child("bad", make, root.bus, backoff=AT_ONCE))
    root.crash("root", "bad")
    with pytest.raises((ActorUnavailable, InternalError)):
        root.bus.call("bad", Count())
    assert root.bus.call("a", Echo("x")) == "x"


def test_a_child_is_added_once(root: Root) -> None:
    """Two who need it at the same time wait for the same one."""
    supervisor = root.open(root.child("a"))
    spec = root.child("late")
    root.worlds["late"].blocked_starts = 1
    started = [supervisor.start_child(ROOT, spec) for _ in range(3)]
    root.held("late")
    root.worlds["late"].gate.set()
    for each in started:
        each.result(PATIENCE)
    supervisor.start_child(ROOT, spec).result(PATIENCE)
    assert root.worlds["late"].setups == [1]


def test_an_added_child_that_fails_leaves_nothing(root: Root) -> None:
    """Its own error comes back, its name is unknown again, and the next attempt works."""
    supervisor = root.open(root.child("a"))
    spec = root.child("late")
    root.worlds["late"].starts = [OperationFailed("no such disk")]
    with pytest.raises(OperationFailed, match="no such disk"):
        supervisor.start_child(ROOT, spec).result(PATIENCE)
    with pytest.raises(ActorUnavailable, match="no actor named late"):
        root.bus.call("late", Echo("x"))
    supervisor.start_child(ROOT, spec).result(PATIENCE)
    assert root.bus.call("late", Echo("x")) == "x"


def test_a_child_of_nobody_is_refused(root: Root) -> None:
    """The message names the path."""
    supervisor = root.open(root.child("a"))
    with pytest.raises(ActorUnavailable, match="root/nobody is not running"):
        supervisor.start_child(("root", "nobody"), root.child("x")).result(PATIENCE)


def test_a08_l04_a_start_that_hangs_holds_up_nobody(root: Root) -> None:
    """A08: others start, stop, are listed meanwhile; it is given up and counted, its end changes nothing."""
    guests, path = supervisor("guests", (), "dynamic"), ("root", "guests")
    sup = root.open(guests)
    stuck = root.child("stuck", start_timeout=PATIENCE)
    root.worlds["stuck"].blocked_starts = 1
    started = sup.start_child(path, stuck)
    zombie = root.held("stuck")
    sup.start_child(path, root.child("other")).result(PATIENCE)
    assert root.bus.call("other", Echo("x")) == "x"
    sup.start_child(path, root.child("gone")).result(PATIENCE)
    sup.stop_child((*path, "gone")).result(PATIENCE)
    listed = {each.id: each.state for each in sup.picture().children[0].children}
    assert (listed, started.done()) == ({"stuck": "starting", "other": "up"}, False)
    child = sup.tree.find((*path, "stuck"))
    assert child is not None
    sup.post(lambda now: sup.tree.progress(child, 1, now - PATIENCE))  # its time is over now
    with pytest.raises(InternalError, match="stuck: start_timeout"):
        started.result(PATIENCE)
    [given_up] = sup.health().zombies["root/guests/stuck"]
    assert (given_up.generation, given_up.operation) == (1, "setup")
    assert "gate.wait(PATIENCE)" in given_up.stack
    root.worlds["stuck"].gate.set()
    assert root.worlds["stuck"].released.get(timeout=PATIENCE) == 1
    with pytest.raises(Fenced):
        zombie.context.fence.check()
    with pytest.raises(ActorUnavailable, match="no actor named stuck"):
        root.bus.call("stuck", Echo("x"))


def test_a08_a_child_that_is_added_again_is_not_ended_by_the_one_that_was_given_up(root: Root) -> None:
    """Its generation is the next one: what the other's thread says in the end is not about it."""
    guests, path = supervisor("guests", (), "dynamic"), ("root", "guests")
    sup = root.open(guests)
    spec = root.child("a", start_timeout=0.05)
    root.worlds["a"].blocked_starts = 1
    with pytest.raises(InternalError, match="a: start_timeout"):
        sup.start_child(path, spec).result(PATIENCE)
    zombie = root.held("a")
    again = replace(spec, start_timeout=PATIENCE)
    sup.start_child(path, again).result(PATIENCE)
    assert root.bus.call("a", Echo("x")) == "x"
    root.worlds["a"].gate.set()
    zombie.thread.join(PATIENCE)
    settled(sup)
    assert (root.bus.call("a", Echo("y")), root.worlds["a"].setups) == ("y", [1, 2])
    assert sup.health().zombies == {}


# Crash and restart.


def test_l02_a_crashed_actor_is_back_before_the_next_answer(root: Root) -> None:
    """L02: a new generation with a state of its own; a caller that comes in between waits."""
    root.open(root.child("a", backoff=Backoff()), root.child("b"))
    assert root.bus.call("a", Count()) == 1
    began = time.monotonic()
    with pytest.raises(InternalError):
        root.bus.call("a", Fail("error"))
    assert root.bus.call("a", Count()) == 1
    print(f"first failure to first answer: {(time.monotonic() - began) * 1000:.2f} ms")  # noqa: T201
    assert (root.generation("a"), root.generation("b")) == (2, 1)


def test_crash_from_another_thread(root: Root) -> None:
    """As OTP's exit(Pid, Reason): the call in hand is unknown, the next is served by the successor."""
    sup = root.open(root.child("a"))
    held = Asking(root.bus, "a", Hold())
    root.held("a")
    thread = threading.Thread(target=sup.crash, args=(("root", "a"), RuntimeError("on purpose")))
    thread.start()
    thread.join()
    root.worlds["a"].gate.set()
    outcome = held.outcome()
    assert outcome == "held" or isinstance(outcome, OutcomeUnknown)
    exits = wait_for(sup, "a", lambda node: node.exits)
    assert [each.reason for each in exits] == ["error(RuntimeError: on purpose)"]
    sup.crash(("root", "nobody"), RuntimeError("nobody"))
    assert root.bus.call("a", Echo("x")) == "x"


def test_a_release_ends_before_the_successor_begins(root: Root) -> None:
    """What a generation holds (a socket of QEMU's) is free when the next needs it."""
    order: list[str] = []

    class Holder(Actor):
        def setup(self) -> None:
            order.append("open")
            self.resources.callback(order.append, "close")

        @handles(Fail)
        def fail(self, _: Fail) -> None:
            raise ValueError("boom")

        @handles(Echo)
        def echo(self, request: Echo) -> str:
            return request.text

    root.open(actor_child("h", Holder, root.bus, backoff=AT_ONCE))
    for _ in range(5):
        with pytest.raises(InternalError):
            root.bus.call("h", Fail("error"))
        assert root.bus.call("h", Echo("x")) == "x"
    assert order == ["open"] + ["close", "open"] * 5


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_c01_c02_c03_who_restarts_with_whom(root: Root, strategy: Strategy) -> None:
    """C01-C03 with real actors."""
    sup = root.open(*(root.child(id_) for id_ in "abc"), strategy=strategy)
    root.crash("root", "b")
    expected = {"one_for_one": [1, 2, 1], "one_for_all": [2, 2, 2], "rest_for_one": [1, 2, 2]}[strategy]
    wait_for(sup, "b", lambda node: node.generation == 2)
    wait_for(sup, "c", lambda node: node.state == "up" and node.generation == expected[2])
    assert [root.generation(id_) for id_ in "abc"] == expected


def test_l07_a_server_killed_a_hundred_times_under_load(root: Root) -> None:
    """L07: each request settles, with its answer or a typed error; reads never notice; the last is served."""
    sup = root.open(root.child("a"), intensity=10_000)
    outcomes: Counter[str] = Counter()
    over, served = threading.Event(), list[float]()

    def load(request: Any) -> None:
        while not over.is_set():
            try:
                root.bus.call("a", request)
                outcomes[f"{type(request).__name__} done"] += 1
            except (NotStarted, OutcomeUnknown) as error:
                outcomes[f"{type(request).__name__} {type(error).__name__}"] += 1

    threads = [threading.Thread(target=load, args=(each,)) for each in (Count(), Count(), Echo("x"))]
    for thread in threads:
        thread.start()
    for generation in range(1, 101):
        root.crash("root", "a")
        wait_for(sup, "a", lambda up, past=generation: up.generation > past and up.state == "up")  # type: ignore[misc]
        began = time.monotonic()
        root.bus.call("a", Echo("x"))
        served.append(time.monotonic() - began)
    over.set()
    for thread in threads:
        thread.join()
    assert root.generation("a") == 101
    assert sorted(served)[50] < 0.25  # of a machine that others use too
    assert outcomes["Echo NotStarted"] == 0
    done, unknown = outcomes["Count done"], outcomes["Count OutcomeUnknown"]
    assert done <= root.worlds["a"].effects <= done + unknown
    assert outcomes["Count done"] > 0


def test_c08_a_restart_loop_answers_meanwhile(root: Root) -> None:
    """C08: list, add and stop are served between attempts; a stop ends the loop; waiting calls are told."""
    sup = root.open(root.child("a"), root.child("loop", backoff=SLOW))
    root.worlds["loop"].starts = [ValueError("still no disk")]
    root.crash("root", "loop")
    wait_for(sup, "loop", lambda node: node.state == "restarting" and node.generation == 2)
    waiting = Asking(root.bus, "loop", Echo("x"))
    sup.start_child(ROOT, root.child("b")).result(PATIENCE)
    assert root.bus.call("b", Echo("x")) == "x"
    sup.stop_child(("root", "loop")).result(PATIENCE)
    outcome = waiting.outcome()
    assert type(outcome) is ActorUnavailable
    assert str(outcome) == "operation failed: loop was stopped"
    assert root.generation("loop") == 2


def test_d03_a_failed_start_counts_as_an_attempt(root: Root) -> None:
    """D03: the limit ends it, and the root with it."""
    root.open(root.child("a"), intensity=4)
    root.worlds["a"].starts = [ValueError("no disk") for _ in range(9)]
    root.crash("root", "a")
    assert root.failed.get(timeout=PATIENCE) == "the root failed: shutdown(reached_max_restart_intensity)"
    assert root.worlds["a"].setups == [1, 2, 3, 4, 5]
    assert root.failed.empty()


def test_f02_f05_a_failed_root_refuses_and_harms_nobody_else(root: Root) -> None:
    """F02, F05: one callback, every call fails at once; another root of the process notices nothing."""
    other = Root()
    other.open(other.child("a"))

    def latency() -> float:
        taken = []
        for _ in range(200):
            began = time.monotonic()
            other.bus.call("a", Echo("x"))
            taken.append(time.monotonic() - began)
        return statistics.median(taken)

    before = latency()
    root.open(root.child("a"), root.child("b"), intensity=0)
    root.crash("root", "a")
    root.failed.get(timeout=PATIENCE)
    for _ in range(2):
        with pytest.raises(InvalidConnection, match=r"the root failed: shutdown\(reached_max"):
            root.bus.call("b", Echo("x"))
    assert root.worlds["b"].teardowns == [1]
    assert root.failed.empty()
    assert any(latency() < 2 * before for _ in range(10))  # others use this machine too
    assert (list(other.bus.outbox), other.failed.empty(), other.generation("a")) == ([], True, 1)
    other.close()


def test_d06_a_quarantined_child_refuses_until_it_is_cleared(root: Root) -> None:
    """D06, D08: at once, with the reason; whoever waited is told; clear starts it."""
    guests = supervisor("guests", (), "dynamic", intensity=1)
    sup = root.open(guests)
    spec = root.child("g", on_give_up="quarantine")
    sup.start_child(("root", "guests"), spec).result(PATIENCE)
    root.worlds["g"].starts = [ValueError("no disk") for _ in range(2)]
    root.crash("root", "guests", "g")
    with pytest.raises(Quarantined, match="g is quarantined: more than 1 restarts in 10 s, last start"):
        root.bus.call("g", Echo("x"))
    with pytest.raises(Quarantined):
        sup.start_child(("root", "guests"), spec).result(PATIENCE)
    root.worlds["g"].starts.clear()
    sup.clear(("root", "guests", "g"))
    settled(sup)
    assert root.bus.call("g", Echo("x")) == "x"


def test_a_quarantined_supervisor_refuses_for_its_children(root: Root) -> None:
    """Nobody will come for them either."""
    inner = supervisor("inner", [root.child("a")], intensity=0, on_give_up="quarantine")
    root.open(inner, root.child("b"), intensity=0)
    root.crash("root", "inner", "a")
    with pytest.raises(Quarantined, match="a is quarantined: more than 0 restarts"):
        root.bus.call("a", Echo("x"))
    assert root.bus.call("b", Echo("x")) == "x"
