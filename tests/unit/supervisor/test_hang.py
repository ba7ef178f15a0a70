"""Actors that hang, on real threads: reported, cancelled, given up, replaced."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from embervirt import faults
from embervirt.actors.work import Work
from embervirt.drivers.root import files
from embervirt.errors import InternalError, NotStarted, OutcomeUnknown
from embervirt.supervisor.child import actor_child
from embervirt.supervisor.report import ChildFailed, HealthChanged, SlowOperation
from embervirt.supervisor.watch import Limits
from unit.actors.harness import PATIENCE, Asking, Echo, Server, World
from unit.supervisor.hanging import Brief, Do, Doer, Gate, doer, no_zombies, quick_disk, told, until
from unit.supervisor.real import Root, settled, wait_for
from unit.supervisor.world import supervisor


def test_one_that_hangs_is_replaced_and_its_caller_told(quick: Root, gate: Gate) -> None:
    """Its caller hears that it may have happened, the next call is served, the zombie is shown with stack."""
    sup = quick.open(doer(quick, "a", gate), quick.child("b"))
    asked = Asking(quick.bus, "a", Do())
    outcome = asked.outcome()
    assert isinstance(outcome, OutcomeUnknown)
    assert "given up by its supervisor" in str(outcome)
    assert quick.bus.call("a", Do()) == "well"
    node = wait_for(sup, "a", lambda node: node.zombies and node)
    assert [(each.reason.split(",")[0], each.doing) for each in node.exits] == [("hung(Do", "Do")]
    zombie = node.zombies[0]
    assert (zombie.generation, zombie.operation) == (1, "Do")
    assert "self.opened.wait(PATIENCE)" in zombie.stack
    slow = told(quick, SlowOperation)
    assert [(each.child, each.generation, each.operation) for each in slow] == [("root/a", 1, "Do")]
    assert slow[0].age >= 0.1
    assert "self.opened.wait(PATIENCE)" in slow[0].stack
    assert quick.generation("b") == 1
    gate.opened.set()
    until(lambda: no_zombies(quick))


def test_a_canceller_wakes_it_and_nothing_is_replaced(quick: Root, gate: Gate) -> None:
    """Asked to end it ends in order; it can see that it was asked."""
    asked_to: list[bool] = []

    def deed(actor: Doer) -> str:
        assert not actor.cancelled
        with actor.on_cancel(gate.opened.set):
            gate()
        asked_to.append(actor.cancelled)
        return "woken"

    quick.limits = Limits(operation=0.1, grace=PATIENCE, every=0.01)
    quick.open(doer(quick, "a", deed))
    assert quick.bus.call("a", Do()) == "woken"
    assert (asked_to, quick.generation("a")) == ([True], 1)
    assert len(told(quick, SlowOperation)) == 1


def test_a_canceller_that_fails_harms_nobody(quick: Root, gate: Gate) -> None:
    """The others are called, the actor is given up all the same."""
    called = threading.Event()

    def deed(actor: Doer) -> str:
        def fail() -> None:
            raise ZeroDivisionError

        with actor.on_cancel(fail), actor.on_cancel(called.set):
            return gate()

    quick.open(doer(quick, "a", deed))
    assert isinstance(Asking(quick.bus, "a", Do()).outcome(), OutcomeUnknown)
    assert called.is_set()
    assert quick.bus.call("a", Do()) == "well"


def test_a_message_declares_its_own_limit(quick: Root, gate: Gate) -> None:
    """Of its class; the setting is for those that say nothing."""
    quick.limits = Limits(operation=1000, grace=0.01, every=0.01)
    quick.open(doer(quick, "a", gate))
    assert isinstance(Asking(quick.bus, "a", Brief()).outcome(), OutcomeUnknown)


def test_a_task_that_hangs_is_noticed_too(quick: Root, gate: Gate) -> None:
    """What an actor does for a descriptor, an alarm or a future is an operation like any other."""

    def deed(actor: Doer) -> str:
        actor.post(gate)  # type: ignore[arg-type]
        return "posted"

    sup = quick.open(doer(quick, "a", deed))
    assert quick.bus.call("a", Do()) == "posted"
    exits = wait_for(sup, "a", lambda node: node.exits)
    assert exits[0].reason.startswith("hung(")


def test_an_operation_that_gave_its_thread_up_has_its_whole_limit_when_it_goes_on(quick: Root) -> None:
    """Three limits pass while it waits for a future: the actor is idle meanwhile, and answers others."""
    quick.limits = Limits(operation=0.4, grace=0.05, every=0.01)
    future: Future[str] = Future()
    waiting = threading.Event()

    def deed(actor: Doer) -> Any:
        def work() -> Work[str]:
            waiting.set()
            text: str = yield future
            threading.Event().wait(0.05)
            return text

        return work()

    quick.open(doer(quick, "a", deed))
    asked = Asking(quick.bus, "a", Do())
    assert waiting.wait(PATIENCE)
    threading.Event().wait(3 * quick.limits.operation)
    future.set_result("done")
    assert asked.outcome() == "done"
    assert (quick.generation("a"), told(quick, SlowOperation)) == (1, [])


def test_g13_progress_keeps_it_alive_until_the_hard_cap(quick: Root, gate: Gate) -> None:
    """It says again and again that it goes on; at five limits it is given up."""
    quick.limits = Limits(operation=0.3, grace=0.3, every=0.01, cap=5.0)
    began = time.monotonic()

    def deed(actor: Doer) -> str:
        while not gate.opened.wait(0.01):
            actor.progress()
        return "late"

    quick.open(doer(quick, "a", deed))
    assert isinstance(Asking(quick.bus, "a", Do()).outcome(), OutcomeUnknown)
    assert time.monotonic() - began >= 1.5
    assert quick.bus.call("a", Do()) == "well"


def test_its_clock_stands_still_while_it_says_so(quick: Root, gate: Gate) -> None:
    """What the guest takes its time for is not the actor's time."""

    def deed(actor: Doer) -> str:
        with actor.suspended():
            gate.reached.set()
            gate.opened.wait(0.5)
        return "done"

    quick.open(doer(quick, "a", deed))
    assert quick.bus.call("a", Do()) == "done"
    assert (quick.generation("a"), told(quick, SlowOperation)) == (1, [])


def test_g06_more_zombies_than_the_limit_degrade_the_root(quick: Root) -> None:
    """The fourth: told as an event and in the picture, with all stacks; whole again when they have ended."""
    gates = [Gate() for _ in range(4)]
    sup = quick.open(*(doer(quick, f"a{n}", gate) for n, gate in enumerate(gates)), quick.child("b"))
    for n in range(3):
        assert isinstance(Asking(quick.bus, f"a{n}", Do()).outcome(), OutcomeUnknown)
    looked = threading.Event()
    sup.post(lambda now: looked.set())
    assert looked.wait(PATIENCE)
    assert sup.health().degraded == []
    assert isinstance(Asking(quick.bus, "a3", Do()).outcome(), OutcomeUnknown)
    reasons = until(lambda: sup.health().degraded)
    assert reasons[0].startswith("restart_required: more than 3 threads were given up")
    shown = sup.health().zombies
    assert sorted(shown) == [f"root/a{n}" for n in range(4)]
    assert all("self.opened.wait(PATIENCE)" in zombie.stack for each in shown.values() for zombie in each)
    assert (sup.picture().state, sup.picture().why) == ("degraded", reasons[0])
    assert [quick.bus.call(f"a{n}", Do()) for n in range(4)] == ["well"] * 4
    assert quick.bus.call("b", Echo("x")) == "x"
    for gate in gates:
        gate.opened.set()
    until(lambda: not sup.health().degraded)
    until(lambda: len(told(quick, HealthChanged)) == 2)
    assert [len(each.reasons) for each in told(quick, HealthChanged)] == [1, 0]
    assert sup.picture().state == "up"


def test_g10_a_c_call_that_holds_the_gil_makes_nobody_hung(quick: Root) -> None:
    """A second, ten limits: neither who held it nor who could not run meanwhile."""
    between = threading.Barrier(2, timeout=PATIENCE)

    def hold(actor: Doer) -> str:
        with actor.suspended():  # until both are there
            between.wait()
        ctypes.PyDLL(None).usleep(1_000_000)
        return "done"

    def waiting(actor: Doer) -> str:
        with actor.suspended():
            between.wait()
        return "done"

    sup = quick.open(doer(quick, "a", hold), doer(quick, "b", waiting))
    asked = [Asking(quick.bus, id_, Do()) for id_ in "ab"]
    assert [each.outcome() for each in asked] == ["done", "done"]
    settled(sup)
    assert [quick.generation(id_) for id_ in "ab"] == [1, 1]
    assert told(quick, SlowOperation) == []


def test_g10_a_held_gil_takes_no_time_from_who_starts_or_stops(quick: Root, gate: Gate) -> None:
    """More than its limit passes while nobody can run: the start ends well, the stop is an orderly one."""

    class Slow(Server):
        def setup(self) -> None:
            super().setup()
            starting.set()
            assert gate.opened.wait(PATIENCE)

        def teardown(self) -> None:
            stopping.set()
            assert gate.opened.wait(PATIENCE)
            super().teardown()

    starting, stopping, path = threading.Event(), threading.Event(), ("root", "slow")
    mine = quick.worlds["slow"] = World()
    slow = actor_child("slow", lambda it: Slow(it, mine), quick.bus, start_timeout=1.0, shutdown=1.0)
    sup = quick.open(quick.child("a"))
    asked: list[tuple[Callable[[], Future[None]], threading.Event]] = [
        (lambda: sup.start_child(("root",), slow), starting),
        (lambda: sup.stop_child(path), stopping),
    ]
    for ask, begun in asked:
        gate.opened.clear()
        answer = ask()
        assert begun.wait(PATIENCE)
        ctypes.PyDLL(None).usleep(1_500_000)
        settled(sup)
        gate.opened.set()
        answer.result(PATIENCE)
    assert (mine.setups, mine.teardowns, told(quick, ChildFailed)) == ([1], [1], [])
    assert [each.reason for each in sup.picture().children[1].exits] == ["shutdown"]


def test_g11_two_actors_that_ask_each_other_are_told_apart(quick: Root) -> None:
    """Both are reported with the cycle; the one that was started later is given up, the other is answered."""
    quick.limits = Limits(operation=0.2, grace=1.0, every=0.01)  # who is answered in the end has that long
    met, asking = threading.Barrier(2, timeout=PATIENCE), set()

    def ask(other: str) -> Callable[[Any], str]:
        def deed(actor: Doer) -> str:
            if other in asking:
                return "well"
            asking.add(other)
            with actor.suspended():  # until both are there
                met.wait()
            return str(actor.call(other, Do()))

        return deed

    quick.open(
        doer(quick, "a", ask("b"), uses=frozenset({"b"})), doer(quick, "b", ask("a"), uses=frozenset({"a"}))
    )
    first, second = (Asking(quick.bus, id_, Do()) for id_ in "ab")
    assert isinstance(second.outcome(), OutcomeUnknown)
    assert isinstance(first.outcome(), NotStarted)
    assert [quick.generation(id_) for id_ in "ab"] == [1, 2]
    slow = told(quick, SlowOperation)
    assert {each.child: (each.asks, set(each.cycle)) for each in slow} == {
        "root/a": ("b", {"a", "b"}), "root/b": ("a", {"a", "b"}),
    }  # fmt: skip
    assert [quick.bus.call(id_, Do()) for id_ in "ab"] == ["well", "well"]
    until(lambda: no_zombies(quick))


def test_g12_one_that_asks_itself_is_refused_at_once(quick: Root) -> None:
    """It would wait for its own answer; a bug, so that it is replaced."""
    began = time.monotonic()
    quick.limits = Limits()
    sup = quick.open(doer(quick, "a", lambda actor: actor.call("a", Do()), uses=frozenset({"a"})))
    with pytest.raises(InternalError, match="failed with PermissionError"):
        quick.bus.call("a", Do())
    assert "a may not call itself" in wait_for(sup, "a", lambda node: node.exits)[0].reason
    assert time.monotonic() - began < Limits().operation
    assert quick.bus.call("a", Do()) == "well"


def test_g15_one_that_hangs_in_its_teardown_is_given_up_after_its_time(root: Root, gate: Gate) -> None:
    """The stop goes on with the others."""

    class Stubborn(Server):
        def teardown(self) -> None:
            gate()

    child = root.child("c")
    stubborn = actor_child("b", lambda context: Stubborn(context, root.worlds["c"]), root.bus, shutdown=0.05)
    sup = root.open(root.child("a"), stubborn, child)
    assert sup.close(PATIENCE)
    assert gate.reached.is_set()
    assert root.worlds["a"].teardowns == [1]
    assert [each.reason for each in sup.picture().children[1].exits] == ["fenced"]
    gate.opened.set()


def test_g16_a_writer_on_a_stalled_disk_holds_up_nobody_else(quick: Root, tmp_path: Path) -> None:
    """It hangs in its fsync: others write their files, the root is shown as degraded until it goes on."""
    quick.limits = Limits(operation=0.2, grace=PATIENCE, every=0.01)

    def write(actor: Doer) -> str:
        files.write(tmp_path / actor.context.name, b"content", durable=True, fence=actor.context.fence)
        return "written"

    sup = quick.open(doer(quick, "stalled", write), doer(quick, "other", write))
    with quick_disk(), faults.inject("file.synced", faults.hang(), where={"path": "*/stalled"}):
        asked = Asking(quick.bus, "stalled", Do())
        assert until(lambda: sup.health().degraded) == ["io: root/stalled waits for a disk"]
        assert quick.bus.call("other", Do()) == "written"
    assert asked.outcome() == "written"
    until(lambda: not sup.health().degraded)
    until(lambda: len(told(quick, HealthChanged)) == 2)
    reasons = [each.reasons for each in told(quick, HealthChanged)]
    assert reasons == [("io: root/stalled waits for a disk",), ()]


def test_g16_one_that_is_given_up_on_a_stalled_disk_stays_a_reason(quick: Root, tmp_path: Path) -> None:
    """Its successor works on another file; what it wrote has no effect."""

    def write(actor: Doer) -> str:
        name = tmp_path / f"{actor.context.name}{actor.context.generation}"
        files.write(name, b"content", durable=True, fence=actor.context.fence)
        return "written"

    sup = quick.open(doer(quick, "a", write, write))
    with quick_disk(), faults.inject("file.synced", faults.hang(), where={"path": "*/a1"}):
        assert isinstance(Asking(quick.bus, "a", Do()).outcome(), OutcomeUnknown)
        assert quick.bus.call("a", Do()) == "written"
        assert until(lambda: sup.health().degraded) == ["io: root/a waits for a disk"]
    until(lambda: not sup.health().degraded)
    assert [path.name for path in tmp_path.iterdir()] == ["a2"]


# Those that end without a word.


def test_a_thread_that_is_gone_without_a_report_is_noticed(
    quick: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``lost``; its successor serves."""
    reported: list[str] = []

    def deed(actor: Doer) -> str:
        monkeypatch.setattr(actor, "_end", lambda: reported.append("nothing"))
        actor.finish()
        return "last words"

    sup = quick.open(doer(quick, "a", deed))
    assert quick.bus.call("a", Do()) == "last words"
    assert wait_for(sup, "a", lambda node: node.exits)[0].reason == "lost"
    assert quick.bus.call("a", Do()) == "well"
    assert reported == ["nothing"]


def test_a_hang_counts_as_a_failure(quick: Root) -> None:
    """Too many end in quarantine, as crashes do."""
    gates = [Gate() for _ in range(3)]
    sup = quick.open(supervisor("guests", (), "dynamic", 1))
    spec = doer(quick, "g", *gates, on_give_up="quarantine")
    sup.start_child(("root", "guests"), spec).result(PATIENCE)
    for _ in range(2):
        assert isinstance(Asking(quick.bus, "g", Do()).outcome(), OutcomeUnknown)
    guests = wait_for(sup, "guests", lambda node: node.children[0].state == "quarantined" and node)
    assert "last hung(Do" in guests.children[0].why
    for gate in gates:
        gate.opened.set()
    until(lambda: no_zombies(quick))


def test_f08_a_watch_that_fails_is_told_and_begins_anew(quick: Root, gate: Gate) -> None:
    """The cause is in an event; supervision went on, and hangs are noticed again."""
    sup = quick.open(doer(quick, "a", gate))
    real, failed = sup._lookout._look, threading.Event()

    def broken(now: float) -> None:
        sup._lookout._look = real  # type: ignore[method-assign]
        failed.set()
        raise ZeroDivisionError("in the watch")

    sup._lookout._look = broken  # type: ignore[method-assign]
    assert failed.wait(PATIENCE)
    assert isinstance(Asking(quick.bus, "a", Do()).outcome(), OutcomeUnknown)
    until(lambda: len(told(quick, HealthChanged)) == 2)
    reasons = [each.reasons for each in told(quick, HealthChanged)]
    assert reasons == [("watchdog: error(ZeroDivisionError: in the watch)",), ()]
    assert quick.bus.call("a", Do()) == "well"
