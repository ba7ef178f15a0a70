"""An actor replies, crashes honestly, and lets nothing out of its thread."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Any

import pykka
import pytest

from counted import descriptors
from embervirt.actors.actor import Actor, Context, Stop, handles
from embervirt.actors.exits import NORMAL, Exit
from embervirt.actors.fence import Fenced
from embervirt.actors.table import Table
from embervirt.errors import (
    InternalError,
    InvalidArgument,
    OperationAborted,
    OperationInvalid,
    OutcomeUnknown,
)
from unit.actors.harness import (
    PATIENCE,
    Asking,
    Count,
    Echo,
    Fail,
    Happened,
    Hold,
    Later,
    Note,
    Reports,
    Server,
    Stage,
    staged,
)

BUGS = ["error", "SystemExit", "KeyboardInterrupt", "MemoryError", "RecursionError", "unprintable"]


@pytest.mark.parametrize("how", BUGS)
def test_l01_l02_n08_a_bug_ends_only_its_actor_and_tells_the_asker_at_once(stage: Stage, how: str) -> None:
    """L01, L02, N08: also what Pykka would end all actors of the program for; its text stays in the log."""
    _, reports = stage.start()
    stage.start("other")
    with pytest.raises(InternalError, match=r"the actor failed with .* and was replaced") as caught:
        stage.bus.call("server", Fail(how))
    assert "secret-looking" not in str(caught.value)
    reason = reports.exit()
    assert (reason.kind, reason.abnormal, reason.doing) == ("error", True, "Fail")
    assert str(reason).startswith("error(")
    assert stage.bus.call("other", Echo("x")) == "x"


@pytest.mark.parametrize("how", ["error", "SystemExit"])
def test_l01_a_bug_in_a_message_without_reply_ends_the_actor_too(stage: Stage, how: str) -> None:
    """L01, by tell."""
    _, reports = stage.start()
    assert stage.bus.tell("server", Fail(how))
    assert reports.exit().kind == "error"


def test_an_expected_error_is_a_reply(stage: Stage) -> None:
    """The actor goes on, with its state."""
    server, _ = stage.start()
    with pytest.raises(OperationInvalid):
        stage.bus.call("server", Fail("expected"))
    assert stage.bus.call("server", Count()) == 101
    assert not server.actor_stopped.is_set()


def test_l05_pykkas_registry_does_not_know_our_actors(stage: Stage) -> None:
    """L05: a host program that calls stop_all ends none of them."""
    stage.start()
    assert pykka.ActorRegistry.get_all() == []
    pykka.ActorRegistry.stop_all()
    assert stage.bus.call("server", Echo("x")) == "x"


@pytest.mark.parametrize("error", [ValueError("no disk"), SystemExit(1), KeyboardInterrupt()])
def test_l04_a09_a_start_that_raises_is_a_failed_start(stage: Stage, error: BaseException) -> None:
    """L04, A09, A10: what it had opened is released, nobody is listed, and the next attempt works."""
    stage.world.starts = [error]
    reports = Reports()
    stage.launch(Server(Context("server", 1, stage.bus, reports), stage.world), reports)
    reason = reports.exit()
    assert (reason.kind, reason.error) == ("start_failed", error)
    assert not reports.is_ready.is_set()
    assert stage.world.released.get(timeout=PATIENCE) == 1
    assert stage.bus.routes.address("server") is None
    stage.start(generation=2)
    assert stage.bus.call("server", Echo("x")) == "x"


def test_one_that_cannot_be_made_holds_nothing(stage: Stage) -> None:
    """Its constructor raises in the starter's thread: no descriptor stays open."""

    class Broken(Actor):
        def __init__(self, context: Context) -> None:
            super().__init__(context)
            raise ValueError("no")

    before = descriptors()
    for _ in range(10):
        with pytest.raises(ValueError, match="no"):
            Broken(Context("broken", 1, stage.bus, Reports()))
    assert descriptors() <= before


def test_a_start_may_find_that_there_is_nothing_to_do(stage: Stage) -> None:
    """It finishes in ``setup``: up, then a normal end."""

    class Brief(Actor):
        def setup(self) -> None:
            self.finish(NORMAL)

    reports = Reports()
    stage.launch(Brief(Context("brief", 1, stage.bus, reports)), reports)
    assert reports.exit() == NORMAL
    assert reports.is_ready.is_set()


def test_an_orderly_stop_tears_down_and_releases(stage: Stage) -> None:
    """In this order, and reports shutdown."""
    server, reports = stage.start()
    server.post(Stop())
    assert reports.exit() == Exit("shutdown")
    assert (stage.world.teardowns, stage.world.released.get(timeout=PATIENCE)) == ([1], 1)


def test_a_crash_releases_without_a_teardown(stage: Stage) -> None:
    """State that may be half-made is not tidied up by those who made it."""
    server, reports = stage.start()
    server.post(RuntimeError("boom"))
    assert str(reports.exit()) == "error(RuntimeError: boom)"
    assert (stage.world.teardowns, stage.world.released.get(timeout=PATIENCE)) == ([], 1)


def test_a_stop_goes_before_the_mail(stage: Stage) -> None:
    """E04: with a thousand calls queued; none of them is begun."""
    server, reports = stage.start()
    held = Asking(stage.bus, "server", Hold())
    stage.world.held.get(timeout=PATIENCE)
    for _ in range(1000):
        stage.bus.tell("server", Count())
    queued = [Asking(stage.bus, "server", Count()) for _ in range(10)]
    stage.in_flight("server", 11)
    server.post(Stop())
    stage.world.gate.set()
    assert held.outcome() == "held"
    assert [type(each.outcome()).__name__ for each in queued] == ["NotStarted"] * 10
    assert (reports.exit().kind, stage.world.effects) == ("shutdown", 0)


def test_b12_e09_a_crash_while_stopping_is_one_exit_with_both_causes(stage: Stage) -> None:
    """B12, E09: teardown raises; then the release raises as well."""
    server, reports = stage.start()
    stage.world.bad_teardown = ValueError("teardown")
    server.post(Stop())
    reason = reports.exit()
    assert (str(reason), reason.doing) == ("error(ValueError: teardown)", "stop")
    server, reports = stage.start(generation=2)

    def refuse() -> None:
        raise OSError("release")

    server.resources.callback(refuse)
    server.post(Stop())
    reason = reports.exit()
    assert reason.doing == "release"
    assert "release" in str(reason)
    assert "teardown" in str(reason)
    assert reports.exits.empty()


def test_a_request_nobody_handles_is_refused(stage: Stage) -> None:
    """Whoever sent it to this actor is told; the actor goes on."""

    class Unknown(Echo, frozen=True):
        pass

    stage.start()
    with pytest.raises(InvalidArgument, match="server does not know Unknown"):
        stage.bus.call("server", Unknown("x"))
    assert stage.bus.call("server", Echo("x")) == "x"


def test_a_handler_may_be_overridden_by_name() -> None:
    """A subclass changes what a message does without marking it again."""

    class Loud(Server):
        def echo(self, request: Echo) -> str:
            return request.text.upper()

    with staged() as stage:
        reports = Reports()
        stage.launch(Loud(Context("loud", 1, stage.bus, reports), stage.world), reports)
        assert reports.is_ready.wait(PATIENCE)
        assert stage.bus.call("loud", Echo("x")) == "X"


def test_two_classes_do_not_share_handlers() -> None:
    """Each adds to those of its own bases only."""

    class Left(Actor):
        @handles(Echo)
        def left(self, _: Echo) -> None: ...

    class Right(Actor):
        @handles(Note)
        def right(self, _: Note) -> None: ...

    assert (Left.handlers, Right.handlers, Actor.handlers) == ({Echo: "left"}, {Note: "right"}, {})


# Deferred replies.


def test_a_deferred_reply_leaves_the_actor_answerable(stage: Stage) -> None:
    """The handler returns a Future; whoever completes it, the reply goes out by the actor's own thread."""
    stage.start()
    asked = Asking(stage.bus, "server", Later())
    future = stage.world.futures.get(timeout=PATIENCE)
    assert stage.bus.call("server", Echo("meanwhile")) == "meanwhile"
    threading.Thread(target=future.set_result, args=("late",)).start()
    assert asked.outcome() == "late"


def completed(error: BaseException | None) -> Any:
    """How a test completes a future."""

    def complete(future: Future[str]) -> None:
        if error is None:
            future.cancel()
        else:
            future.set_exception(error)

    return complete


def test_a_deferred_error_is_a_reply(stage: Stage) -> None:
    """An expected one, and a cancellation; the actor lives."""
    stage.start()
    for error, kind in ((OperationInvalid("no"), OperationInvalid), (None, OperationAborted)):
        asked = Asking(stage.bus, "server", Later())
        completed(error)(stage.world.futures.get(timeout=PATIENCE))
        assert type(asked.outcome()) is kind
    assert stage.bus.call("server", Echo("x")) == "x"


def test_a_deferred_bug_ends_the_actor(stage: Stage) -> None:
    """As one in the handler would, and the report names the operation."""
    _, reports = stage.start()
    asked = Asking(stage.bus, "server", Later())
    completed(ValueError("boom"))(stage.world.futures.get(timeout=PATIENCE))
    assert type(asked.outcome()) is InternalError
    reason = reports.exit()
    assert (str(reason), reason.doing) == ("error(ValueError: boom)", "Later")


def test_h13_a_deferred_reply_after_the_end_is_dropped(stage: Stage) -> None:
    """The caller was told when the actor ended."""
    server, reports = stage.start()
    asked = Asking(stage.bus, "server", Later())
    future = stage.world.futures.get(timeout=PATIENCE)
    server.post(RuntimeError("boom"))
    assert isinstance(asked.outcome(), OutcomeUnknown)
    reports.exit()
    future.set_result("late")
    stage.start(generation=2)
    assert stage.bus.call("server", Echo("x")) == "x"


def test_whoever_calls_after_a_crash_waits_for_the_successor(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The actor is no longer listed when the asker hears of the bug."""
    server, reports = stage.start()
    listed: list[bytes | None] = []
    reply = server.inbox.reply

    def look(caller: bytes, header: bytes, body: bytes) -> None:
        listed.append(stage.bus.routes.address("server"))
        reply(caller, header, body)

    monkeypatch.setattr(server.inbox, "reply", look)
    with pytest.raises(InternalError, match="the actor failed with ValueError"):
        stage.bus.call("server", Fail("error"))
    assert listed == [None]
    reports.exit()


def test_notices_of_a_death_go_the_way_of_the_replies(stage: Stage) -> None:
    """On the actor's own socket, so that none overtakes a reply that was sent just before."""
    server, reports = stage.start()
    asked = Asking(stage.bus, "server", Later())
    stage.world.futures.get(timeout=PATIENCE)
    others: list[object] = []
    stage.bus.routes.notify = lambda pending, failure: others.append(pending)
    server.post(RuntimeError("boom"))
    assert isinstance(asked.outcome(), OutcomeUnknown)
    reports.exit()
    assert others == []


# A generation that was given up.


def given_up(stage: Stage, server: Server) -> None:
    """What a supervisor does with it."""
    server.context.fence.close()
    stage.bus.routes.down("server", 1, "given up")
    server.post(Fenced("given up"))


def test_a_generation_that_was_given_up_has_no_effect_when_it_comes_back(stage: Stage) -> None:
    """G04, G05: its reply, its event, its table write, its calls; then it ends, without a teardown."""
    table: Table[str, str] = Table()
    refused: list[str] = []

    def late(server: Server) -> None:
        acts: dict[str, Any] = {
            "table": lambda: table.put(server.context.fence, "k", "old"),
            "event": lambda: server.publish(Happened(1)),
            "call": lambda: server.call("lower", Echo("x")),
        }
        for name, act in acts.items():
            try:
                act()
            except Fenced:
                refused.append(name)

    stage.world.after = late
    stage.start("lower")
    server, reports = stage.start(uses=frozenset({"lower"}))
    asked = Asking(stage.bus, "server", Hold())
    stage.world.held.get(timeout=PATIENCE)
    given_up(stage, server)
    assert isinstance(asked.outcome(), OutcomeUnknown)
    successor, _ = stage.start(generation=2)
    table.put(successor.context.fence, "k", "new")
    stage.world.gate.set()
    assert isinstance(reports.exit().error, Fenced)
    assert refused == ["table", "event", "call"]
    assert (table.get("k"), list(stage.bus.outbox), stage.world.teardowns) == ("new", [], [])
    assert stage.bus.call("server", Count()) == 1


def test_a_start_that_ends_after_it_was_given_up_is_not_listed(stage: Stage) -> None:
    """Its successor is up already, and stays the one that is called."""
    stage.world.blocked_starts = 1
    reports = Reports()
    late = Server(Context("server", 1, stage.bus, reports), stage.world)
    stage.launch(late, reports)
    stage.world.held.get(timeout=PATIENCE)
    given_up(stage, late)
    stage.start(generation=2)
    stage.world.gate.set()
    assert isinstance(reports.exit().error, Fenced)
    assert not reports.is_ready.is_set()
    assert stage.bus.routes.address("server") == b"server#2"
    assert stage.bus.call("server", Echo("x")) == "x"


def test_the_end_of_one_that_was_given_up_leaves_no_trace(stage: Stage) -> None:
    """Its name is gone by then: a call fails at once instead of waiting for a successor."""
    server, reports = stage.start()
    asked = Asking(stage.bus, "server", Hold())
    stage.world.held.get(timeout=PATIENCE)
    given_up(stage, server)
    stage.bus.routes.forget("server")
    assert isinstance(asked.outcome(), OutcomeUnknown)
    stage.world.gate.set()
    reports.exit()
    with pytest.raises(Exception, match="no actor named server runs"):
        stage.bus.call("server", Echo("x"))


def test_a_stop_of_one_that_was_given_up_tears_nothing_down(stage: Stage) -> None:
    """It was asked first and given up then: its successor owns what a teardown would touch."""
    server, reports = stage.start()
    asked = Asking(stage.bus, "server", Hold())
    stage.world.held.get(timeout=PATIENCE)
    server.post(Stop())
    given_up(stage, server)
    stage.world.gate.set()
    assert isinstance(reports.exit().error, Fenced)
    assert stage.world.teardowns == []
    assert isinstance(asked.outcome(), OutcomeUnknown)


def test_the_activity_says_what_is_done_and_until_when(stage: Stage) -> None:
    """The seam for the watch over hangs: operation, start, deadline."""
    server, _ = stage.start()
    limit = time.monotonic() + PATIENCE
    asked = Asking(stage.bus, "server", Hold(), deadline=limit)
    stage.world.held.get(timeout=PATIENCE)
    now = server.activity
    assert (now.operation, now.deadline) == ("Hold", limit)
    assert now.started < limit
    stage.world.gate.set()
    assert asked.outcome() == "held"
