"""The end of a supervised tree, what is told of it, and the host program around it."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from pathlib import Path
from random import Random

import psutil
import pytest
import structlog

from counted import no_more_than, open_and_running
from embervirt.actors.actor import Actor
from embervirt.actors.bus import EVENTS_ACTOR
from embervirt.actors.event_log import EventLog
from embervirt.actors.fence import Fenced
from embervirt.actors.messages import Numbered
from embervirt.actors.subscription import Subscription
from embervirt.actors.table import Table
from embervirt.errors import (
    ActorUnavailable,
    ForkedError,
    InternalError,
    InvalidConnection,
    OutcomeUnknown,
    libvirtError,
)
from embervirt.supervisor.child import actor_child
from embervirt.supervisor.report import ChildFailed
from embervirt.supervisor.spec import Backoff
from unit.actors.harness import PATIENCE, Asking, Echo, Fail, Happened, Hold, Server
from unit.supervisor.real import ROOT, SLOW, Root, settled, wait_for
from unit.supervisor.world import AT_ONCE, supervisor

# Shutdown.


def test_e01_close_stops_in_reverse_order(root: Root) -> None:
    """E01."""
    order: list[str] = []

    class Ordered(Actor):
        def teardown(self) -> None:
            order.append(self.context.name)

    root.open(*(actor_child(id_, Ordered, root.bus) for id_ in "abcde"))
    assert root.supervisor.close(PATIENCE)
    assert order == list("edcba")


def test_e05_stopped_twice_from_two_threads(root: Root) -> None:
    """E05: one stop, and both have the same result."""
    root.open(root.child("a"))
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(root.supervisor.close(PATIENCE))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (results, root.worlds["a"].teardowns) == ([True, True], [1])


def test_e06_a_stop_asked_for_by_a_child(root: Root) -> None:
    """E06: no deadlock; it gets a handle that is done later."""
    sup = root.open(root.child("a"))
    stopped: list[Future[None]] = []
    root.worlds["a"].after = lambda server: stopped.append(sup.stop_child(("root",)))
    held = Asking(root.bus, "a", Hold())
    root.worlds["a"].gate.set()
    assert held.outcome() == "held"
    stopped[0].result(PATIENCE)


def test_after_the_end_everything_is_answered(root: Root) -> None:
    """Nobody waits for a thread that is gone."""
    sup = root.open(root.child("a"))
    assert sup.close(PATIENCE)
    sup.stop_child(("root", "a")).result(PATIENCE)
    with pytest.raises(ActorUnavailable, match="root is not running"):
        sup.start_child(ROOT, root.child("b")).result(PATIENCE)
    sup.crash(("root", "a"), RuntimeError("late"))
    assert sup.close(PATIENCE)


def test_a_start_that_waits_is_told_of_the_end(root: Root) -> None:
    """Also one that joined a child in its delay, for which no more news would come."""
    sup = root.open(root.child("a", backoff=SLOW))
    root.worlds["a"].starts = [ValueError("no disk")]
    root.crash("root", "a")
    wait_for(sup, "a", lambda node: node.state == "restarting" and node.generation == 2)
    joined = sup.start_child(ROOT, root.child("a"))
    settled(sup)
    assert sup.close(PATIENCE)
    with pytest.raises(libvirtError):
        joined.result(PATIENCE)


def test_a_supervisor_that_was_never_started_closes(root: Root) -> None:
    """A root whose opening failed before."""
    root.build(root.child("a"))
    assert root.supervisor.close(PATIENCE)


def test_a_result_cannot_be_cancelled(root: Root) -> None:
    """A cancelled await of the host program must not end the supervisor."""
    sup = root.open(root.child("a"))
    stopped = sup.stop_child(("root", "a"))
    assert not stopped.cancel()
    stopped.result(PATIENCE)
    sup.start_child(ROOT, root.child("b")).result(PATIENCE)


def test_e02_g05_g15_an_actor_that_hangs_when_it_is_stopped_is_given_up(root: Root) -> None:
    """E02, G05, G15: fenced after its time, the close goes on; what it does later has no effect."""
    table: Table[str, str] = Table()
    refused: list[str] = []

    def late(server: Server) -> None:
        def write() -> None:
            table.put(server.context.fence, "k", "late")

        def publish() -> None:
            server.publish(Happened(1))

        for act in (write, publish):
            try:
                act()
            except Fenced as error:
                refused.append(str(error))

    sup = root.open(root.child("a"), root.child("b", shutdown=0.05), root.child("c"))
    root.worlds["b"].after = late
    held = Asking(root.bus, "b", Hold())
    zombie = root.held("b")
    table.put(zombie.context.fence, "k", "early")
    assert sup.close(PATIENCE)
    outcome = held.outcome()
    assert isinstance(outcome, OutcomeUnknown)
    assert [root.worlds[id_].teardowns for id_ in "abc"] == [[1], [], [1]]
    events = len(root.bus.outbox)
    assert not root.bus.close()
    root.worlds["b"].gate.set()
    assert root.worlds["b"].released.get(timeout=PATIENCE) == 1
    assert refused == ["internal error: generation 1 of b was given up"] * 2
    assert (table.get("k"), len(root.bus.outbox)) == ("early", events)
    assert root.worlds["b"].teardowns == []


def test_a_brutal_stop_ends_the_thread_as_well(root: Root) -> None:
    """Fenced at once, without a teardown; what it held is released by its own thread."""
    sup = root.open(root.child("a", shutdown="brutal"))
    sup.stop_child(("root", "a")).result(PATIENCE)
    assert root.worlds["a"].released.get(timeout=PATIENCE) == 1
    assert root.worlds["a"].teardowns == []


# What is told.


def test_a_failure_is_one_report_in_the_log_and_on_the_bus(root: Root, tmp_path: Path) -> None:
    """The same fields with the same values, each time; the log has the traceback as well."""
    log = actor_child(
        EVENTS_ACTOR, lambda context: EventLog(context, tmp_path / "events", 100), root.bus, backoff=AT_ONCE
    )
    inner = supervisor("inner", [root.child("a", backoff=Backoff(jitter=0))])
    with structlog.testing.capture_logs() as lines:
        root.open(log, inner)
        reports = []
        with Subscription(root.bus) as heard:
            for _ in range(2):
                with pytest.raises(InternalError):
                    root.bus.call("a", Fail("error"))
                got = heard.get(PATIENCE)
                assert isinstance(got, Numbered)
                reports.append(got.event())
        settled(root.supervisor)
    fields = ChildFailed.__struct_fields__
    told = [line for line in lines if line["event"] == "child failed"]
    assert [{name: line[name] for name in fields} for line in told] == [
        {name: getattr(report, name) for name in fields} for report in reports
    ]
    assert reports[0] == ChildFailed(
        "root/inner",
        "child_terminated",
        "error(ValueError: secret-looking text)",
        "a",
        1,
        1,
        "restart now",
        "Fail",
    )
    assert reports[1].decision == "restart in 0.25 s"  # type: ignore[union-attr]
    assert all("ValueError" in line["traceback"] for line in told)


def test_a_log_that_fails_does_not_end_supervision(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host program's own set-up raises: a closed file, a broken pipe."""

    class Broken:
        def error(self, *_: object, **__: object) -> None:
            raise BrokenPipeError

    sup = root.open(root.child("a"))
    monkeypatch.setattr(sup, "_log", Broken())
    for n in range(2, 5):
        root.crash("root", "a")
        wait_for(sup, "a", lambda node, n=n: node.generation == n)  # type: ignore[misc]
    assert sup.picture().state == "up"


def test_a_bug_in_the_supervisor_fails_the_root(root: Root) -> None:
    """Nobody goes on unwatched, and nobody waits."""
    sup = root.open(root.child("a"))

    def bug(now: float) -> None:
        raise ZeroDivisionError

    stuck = root.child("stuck")
    root.worlds["stuck"].blocked_starts = 1
    waiting = sup.start_child(ROOT, stuck)
    root.held("stuck")
    sup.post(bug)
    assert root.failed.get(timeout=PATIENCE) == "the root failed: error(ZeroDivisionError: )"
    with pytest.raises(InvalidConnection):
        root.bus.call("a", Echo("x"))
    with pytest.raises(ActorUnavailable, match="root/stuck: the root was closed"):
        waiting.result(PATIENCE)
    assert sup.close(PATIENCE)


def test_d05_an_unreachable_limit_is_told_when_built(root: Root) -> None:
    """D05: of those given, and of one that is added."""
    steep = Backoff(initial=5, factor=1, cap=5)
    with structlog.testing.capture_logs() as lines:
        sup = root.open(root.child("a", backoff=steep), intensity=5, period=10)
        sup.start_child(ROOT, root.child("b", backoff=steep)).result(PATIENCE)
    assert [line["event"].partition(":")[0] for line in lines] == ["intensity unreachable"] * 2


# The host program.


def test_l14_a_forked_child_is_refused(root: Root) -> None:
    """L14: it would wait for a thread that it does not have."""
    sup = root.open(root.child("a"))
    pid = os.fork()
    if pid == 0:
        try:
            sup.start_child(ROOT, root.child("b"))
        except ForkedError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert root.bus.call("a", Echo("x")) == "x"


def test_opening_and_closing_leaks_nothing(tmp_path: Path) -> None:
    """100 cycles, every third with a crash: as many threads and descriptors as before."""

    def cycle(n: int) -> None:
        root = Root()
        log = actor_child(EVENTS_ACTOR, lambda context: EventLog(context, tmp_path / "events", 100), root.bus)
        root.open(log, root.child("a"))
        with Subscription(root.bus):
            root.bus.call("a", Echo("x"))
        if n % 3 == 0:
            with pytest.raises(InternalError):
                root.bus.call("a", Fail("error"))
        root.close()

    with structlog.testing.capture_logs():
        cycle(0)
        process = psutil.Process()
        before = open_and_running()
        threads = process.num_threads()
        for n in range(100):
            cycle(n)
        assert no_more_than(before)
        assert process.num_threads() <= threads + 5  # the kernel may still be ending some


def test_random_lives_of_a_real_tree(root: Root) -> None:
    """Crashes, starts and stops from three threads: at the end everything that should run answers."""
    names = [f"g{n}" for n in range(6)]
    guests = supervisor("guests", (), "dynamic", intensity=10_000)
    specs = {name: root.child(name) for name in names}
    sup = root.open(root.child("a"), guests, strategy="rest_for_one", intensity=10_000)

    def live(seed: int) -> None:
        random = Random(seed)
        for _ in range(30):
            name = random.choice(names)
            match random.randrange(4):
                case 0:
                    sup.start_child(("root", "guests"), specs[name]).exception(PATIENCE)
                case 1:
                    sup.stop_child(("root", "guests", name)).result(PATIENCE)
                case 2:
                    sup.crash(("root", "guests", name), RuntimeError("boom"))
                case 3:
                    root.crash("root", "a")

    threads = [threading.Thread(target=live, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for name in names:
        while sup.start_child(("root", "guests"), specs[name]).exception(PATIENCE) is not None:
            settled(sup)
        assert root.bus.call(name, Echo(name)) == name
