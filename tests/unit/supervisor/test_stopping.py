"""Stops that meet full mailboxes, blocked children and starts under way; storms; quarantine as it is told."""

from __future__ import annotations

import statistics
import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest

from embervirt import world
from embervirt.actors import codec
from embervirt.actors.bus import Bus
from embervirt.actors.exchange import send
from embervirt.actors.exits import Exit
from embervirt.actors.messages import Header
from embervirt.errors import ActorUnavailable, NotStarted, Quarantined
from embervirt.supervisor.child import actor_child
from embervirt.supervisor.report import ChildFailed
from embervirt.supervisor.spec import Backoff
from unit.actors.harness import PATIENCE, Asking, Count, Echo, Hold, Server
from unit.actors.harness import World as Harness
from unit.supervisor.hanging import Do, Doer, Gate, doer, told, until
from unit.supervisor.real import ROOT, SLOW, Root, settled, wait_for
from unit.supervisor.world import World, leaf, supervisor

GUESTS = ("root", "guests")
QUEUED = 10_000


# D: quarantine, delays.


def test_d06_a_quarantine_is_told_and_counted(root: Root) -> None:
    """One event with the reason, one more in the count of that state; clear starts it with no failures."""
    sup = root.open(supervisor("guests", (), "dynamic", intensity=1))
    spec = root.child("g", on_give_up="quarantine")
    sup.start_child(GUESTS, spec).result(PATIENCE)
    root.worlds["g"].starts = [ValueError("no disk") for _ in range(2)]
    root.crash("root", "guests", "g")
    wait_for(sup, "guests", lambda node: node.children[0].state == "quarantined")
    began = time.monotonic()
    with pytest.raises(Quarantined, match="g is quarantined: more than 1 restarts"):
        root.bus.call("g", Echo("x"))
    assert time.monotonic() - began < PATIENCE / 2
    decisions = [each.decision for each in told(root, ChildFailed)]
    assert [each.partition(":")[0] for each in decisions] == ["restart now", "give up"]
    assert sup.health().states == {"up": 2, "quarantined": 1}
    root.worlds["g"].starts.clear()
    sup.clear((*GUESTS, "g"))
    settled(sup)
    assert root.bus.call("g", Echo("x")) == "x"
    wait_for(sup, "guests", lambda node: node.children[0].state == "up")
    assert (sup.picture().children[0].children[0].failures, sup.health().states) == (0, {"up": 3})


def test_d08_a_permanent_error_in_a_start_is_tried_once(root: Root) -> None:
    """The class says that no repetition mends it."""
    spec = root.child("g", on_give_up="quarantine", permanent_errors=(LookupError,), on_trial=False)
    sup = root.open(supervisor("guests", (), "dynamic"))
    root.worlds["g"].starts = [LookupError("no such machine")]
    with pytest.raises(Exception, match="LookupError: no such machine"):
        sup.start_child(GUESTS, spec).result(PATIENCE)
    node = wait_for(sup, "guests", lambda node: node.children).pop()
    assert (node.state, node.generation, root.worlds["g"].setups) == ("quarantined", 1, [1])


def test_d09_a_stop_of_the_root_during_a_delay_ends_it_at_once(root: Root) -> None:
    """The delay is a thousand seconds; it never starts."""
    sup = root.open(root.child("a", backoff=SLOW))
    root.worlds["a"].starts = [ValueError("no disk")]
    root.crash("root", "a")
    wait_for(sup, "a", lambda node: node.state == "restarting" and node.generation == 2)
    began = time.monotonic()
    assert sup.close(PATIENCE)
    assert time.monotonic() - began < 5
    assert root.worlds["a"].setups == [1, 2]


def test_d10_while_the_host_is_suspended_delays_and_windows_stand_still() -> None:
    """An hour passes, none of it monotonic: the delay goes on where it was, and the window still counts."""
    tree = World(supervisor("root", [supervisor("guests", (), "dynamic", 2, period=10)], intensity=0))
    delayed = Backoff(initial=4, factor=1, cap=4, jitter=0)
    tree.add("guests", leaf("g", backoff=delayed, on_give_up="quarantine"))
    tree.kill("g").kill("g")
    assert tree.tree.next_due(tree.now) == 4
    assert tree.wait(3).phases("g") == ["down"]
    assert tree.go().phases("g") == ["down"]  # looked at after the hour: no time has passed
    assert tree.wait(4).phases("g") == ["up"]
    assert tree.kill("g").at("g").quarantined.startswith("more than 2 restarts in 10 s")
    assert world.monotonic is time.monotonic
    assert time.get_clock_info("monotonic").implementation == "clock_gettime(CLOCK_MONOTONIC)"


# E: stops.


def test_e04_a_stop_goes_before_ten_thousand_messages(root: Root) -> None:
    """What waits in the mailbox is settled as certainly not started, none of it was done."""
    root.bus.close()
    root.bus = Bus(PATIENCE, mailbox=2 * QUEUED)
    sup = root.open(root.child("a"))
    held = Asking(root.bus, "a", Hold())
    root.held("a")
    sock, identity = root.bus.caller()
    request, deadline = codec.encode(Count()), time.monotonic() + PATIENCE
    for _ in range(QUEUED):
        pending = root.bus.routes.admit("a", identity, deadline)
        send(sock, pending.address, codec.encode(Header(pending.id, Count.kind, deadline, 0)), request)
    stopped = sup.stop_child(("root", "a"))
    settled(sup)
    root.worlds["a"].gate.set()
    stopped.result(PATIENCE)
    assert held.outcome() == "held"
    failures = []
    for _ in range(QUEUED):
        assert sock.poll(int(PATIENCE * 1000))
        _, head, body = sock.recv_multipart()
        assert not codec.decode_reply_header(head).ok
        failures.append(body)
    with pytest.raises(NotStarted, match="a ended before it began the call"):
        codec.decode_reply(Count(), codec.decode_reply_header(head), body)
    assert len(set(failures)) == 1
    assert (root.worlds["a"].effects, root.worlds["a"].teardowns) == (0, [1])
    root.bus.release(sock)


def test_e08_a_child_that_leaves_the_register_and_blocks_is_given_up(root: Root, gate: Gate) -> None:
    """OTP's naughty child: nobody finds it any more, but its supervisor does; others are served meanwhile."""

    def naughty(actor: Doer) -> str:
        actor.bus.routes.forget("a")
        return gate()

    sup = root.open(doer(root, "a", naughty, shutdown=0.2), root.child("b"))
    Asking(root.bus, "a", Do())
    assert gate.reached.wait(PATIENCE)
    began = time.monotonic()
    stopped = sup.stop_child(("root", "a"))
    assert root.bus.call("b", Echo("x")) == "x"
    sup.start_child(ROOT, root.child("c")).result(PATIENCE)
    stopped.result(PATIENCE)
    assert 0.2 <= time.monotonic() - began < PATIENCE / 2
    exits = sup.picture().children[0].exits
    assert [each.reason for each in exits] == ["fenced"]
    gate.opened.set()
    until(lambda: not sup.health().zombies)


def test_e09_an_error_in_a_teardown_is_reported_and_the_rest_is_stopped(root: Root) -> None:
    """As OTP's shutdown_error."""
    sup = root.open(*(root.child(id_) for id_ in "abc"))
    root.worlds["b"].bad_teardown = ValueError("busy")
    assert sup.close(PATIENCE)
    assert [root.worlds[id_].teardowns for id_ in "abc"] == [[1], [1], [1]]
    reports = [(each.child, each.context, each.reason) for each in told(root, ChildFailed)]
    assert [each[:2] for each in reports] == [("b", "shutdown_error")]
    assert "ValueError: busy" in reports[0][2]


@pytest.mark.parametrize("whom", ["child", "root"])
def test_e11_a_stop_during_a_start_leaves_nothing_half_made(root: Root, whom: str) -> None:
    """What the start had opened is released, who waited for it is told, and it can be started anew."""
    sup = root.open(root.child("a"), supervisor("guests", (), "dynamic"))
    spec = root.child("late")
    root.worlds["late"].blocked_starts = 1
    started = sup.start_child(GUESTS, spec)
    root.held("late")
    stopped: Future[None] = sup.stop_child((*GUESTS, "late") if whom == "child" else ROOT)
    settled(sup)
    root.worlds["late"].gate.set()
    stopped.result(PATIENCE)
    with pytest.raises(ActorUnavailable):
        started.result(PATIENCE)
    assert root.worlds["late"].released.get(timeout=PATIENCE) == 1
    if whom == "child":
        sup.start_child(GUESTS, spec).result(PATIENCE)
        assert root.bus.call("late", Echo("x")) == "x"


def test_e03_two_hundred_stop_in_parallel_and_those_that_do_not_are_given_up(root: Root) -> None:
    """Each takes a second, three of them a minute, of the two that they have: all is over within three."""

    class Leisurely(Server):
        def teardown(self) -> None:
            over.wait(60 if self.context.name.endswith("-late") else 1)

    over = threading.Event()
    sup = root.open()

    def seconds(group: str) -> float:
        """That its stop takes."""
        sup.start_child(ROOT, supervisor(group, (), "dynamic")).result(PATIENCE)
        names = [f"{group}-{n}{'-late' * (n % 70 == 5)}" for n in range(200)]
        made = [
            actor_child(name, lambda it: Leisurely(it, Harness()), root.bus, shutdown=2.0) for name in names
        ]
        for started in [sup.start_child(("root", group), child) for child in made]:
            started.result(PATIENCE)
        root.bus.outbox.clear()
        began = time.monotonic()
        sup.stop_child(("root", group)).result(PATIENCE)
        spent = time.monotonic() - began
        settled(sup)
        reports = [(each.child, each.context, each.reason) for each in told(root, ChildFailed)]
        late = [name for name in names if name.endswith("-late")]
        assert sorted(reports) == [(name, "shutdown_error", "fenced") for name in sorted(late)]
        assert len(late) == 3 and spent >= 2.0
        return spent

    assert any(seconds(group) < 3.0 for group in "abcde")  # others use this machine too
    over.set()
    until(lambda: not sup.health().zombies)


# F: storms.


def test_f07_a_storm_of_restarts_in_one_domain_does_not_slow_the_others(root: Root) -> None:
    """Fifty actors, one of which dies three times a second: calls to the others take less than twice as long.

    That is their 99th percentile, the median of rounds.
    """
    sup = root.open(supervisor("guests", (), "dynamic", intensity=10_000))
    names = [f"g{n}" for n in range(50)]
    for started in [sup.start_child(GUESTS, root.child(name)) for name in names]:
        started.result(PATIENCE)

    def p99(storm: bool) -> float:
        """Of a hundred calls and a seventh of a second at least, in which one actor dies, or none."""
        taken: list[float] = []
        began = time.monotonic()
        if storm:
            sup.crash((*GUESTS, "g0"), RuntimeError("boom"))
        while len(taken) < 100 or time.monotonic() - began < 0.15:
            before = time.monotonic()
            root.bus.call(names[1 + len(taken) % 49], Echo("x"))
            taken.append(time.monotonic() - before)
        return statistics.quantiles(taken, n=100)[98]

    def ratio() -> float:
        """Rounds of both kinds in turn, so that what else the machine does meets both."""
        rounds = [(p99(False), p99(True)) for _ in range(15)]
        calm, stormy = (statistics.median(each[kind] for each in rounds) for kind in (0, 1))
        return stormy / calm

    ratios = list[float]()
    while not ratios or (ratios[-1] >= 2 and len(ratios) < 10):  # a storm that slows calls does so each time
        ratios.append(ratio())
    settled(sup)
    died = sup.picture().children[0].children[0].generation
    print(f"p99 in the storm / without: {ratios}, {died} generations")  # noqa: T201
    assert ratios[-1] < 2
    assert died > 15
    assert all(each.generation == 1 for each in sup.picture().children[0].children[1:])


def test_a_failure_says_what_was_in_hand(root: Root) -> None:
    """The last exits have time, traceback and operation, sixteen of them."""
    sup = root.open(doer(root, "a", *[fail] * 20), intensity=100)
    for n in range(20):
        Asking(root.bus, "a", Do()).outcome()
        wait_for(sup, "a", lambda node, n=n: node.generation == n + 2 and node.state == "up")  # type: ignore[misc]
    exits = sup.picture().children[0].exits
    assert [each.generation for each in exits] == list(range(5, 21))
    assert {each.doing for each in exits} == {"Do"}
    assert all("in fail\n" in each.traceback and "boom" in each.traceback for each in exits)
    assert [each.at for each in exits] == sorted(each.at for each in exits)
    assert exits[-1].reason == str(Exit("error", RuntimeError("boom")))


def fail(_: Any) -> str:
    """What every generation does."""
    raise RuntimeError("boom")
