"""What becomes of calls whose actor, or whose caller, dies meanwhile: one outcome, at most one effect."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from embervirt.actors.actor import Stop
from embervirt.actors.bus import Bus
from embervirt.actors.fence import Fenced
from embervirt.actors.table import Table
from embervirt.errors import ActorUnavailable, libvirtError
from unit.actors.harness import (
    PATIENCE,
    Asking,
    Count,
    Echo,
    Happened,
    Hold,
    Later,
    Note,
    Server,
    Stage,
    staged,
)


def named(call: Any) -> str:
    """What came of it."""
    try:
        return type(call()).__name__
    except libvirtError as error:
        return type(error).__name__


def test_h01_a_thousand_calls_and_fifty_kills_at_random() -> None:
    """Each call settles once; the effects are those done and some of the unknown, none of the not started."""
    random, outcomes = Random(1), Counter[str]()
    with staged() as stage, ThreadPoolExecutor(20) as pool:
        server, reports = stage.start()
        for generation in range(2, 52):
            already = stage.admissions
            asked = [pool.submit(named, lambda: stage.bus.call("server", Count())) for _ in range(20)]
            stage.admitted(already + random.randrange(20))
            server.post(RuntimeError("boom"))
            reports.exit()
            server, reports = stage.start(generation=generation)
            outcomes.update(each.result(PATIENCE) for each in asked)
        assert outcomes.total() == 1000
        assert set(outcomes) <= {"int", "NotStarted", "OutcomeUnknown"}
        assert outcomes["int"] <= stage.world.effects <= outcomes["int"] + outcomes["OutcomeUnknown"]
        assert stage.bus.routes._calls == {}


@pytest.mark.parametrize("seed", range(4))
def test_l08_a_thousand_sends_race_a_death(seed: int) -> None:
    """Forty threads go on sending while the server ends for good: every send is accounted for."""
    random, outcomes = Random(seed), Counter[str]()
    over = ActorUnavailable("server was stopped")
    with staged() as stage, ThreadPoolExecutor(40) as pool:
        server, reports = stage.start()
        asked = [pool.submit(named, lambda: stage.bus.call("server", Count())) for _ in range(1000)]
        stage.admitted(random.randrange(100, 700))
        stage.bus.routes.refuse("server", over)
        server.post(random.choice([RuntimeError("boom"), Stop()]))
        reports.exit()
        outcomes.update(each.result(PATIENCE) for each in asked)
        assert outcomes.total() == 1000
        assert set(outcomes) <= {"int", "NotStarted", "OutcomeUnknown", "ActorUnavailable"}
        assert outcomes["int"] <= stage.world.effects <= outcomes["int"] + outcomes["OutcomeUnknown"]
        assert stage.bus.routes._calls == {}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_h12_a_caller_whose_thread_ends_in_its_wait_leaves_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its operation completes; no call, no socket and no thread of it stays."""
    stage.start()
    assert stage.bus.call("server", Echo("x")) == "x"
    sockets = len(stage.bus._idle)
    waiting = threading.Event()

    def dies(*_: Any) -> Any:
        waiting.set()
        stage.world.held.get(timeout=PATIENCE)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Bus, "_reply", staticmethod(dies))
        caller = threading.Thread(target=stage.bus.call, args=("server", Hold()))
        caller.start()
        assert waiting.wait(PATIENCE)
        caller.join(PATIENCE)
    assert not caller.is_alive()
    stage.world.gate.set()
    assert stage.bus.call("server", Count()) == 1
    assert stage.bus.routes._calls == {}
    assert stage.bus.routes.in_flight("server") == 0
    assert (stage.bus._busy, len(stage.bus._idle)) == (0, sockets)


def test_h13_a_reply_that_nobody_waits_for_is_dropped_and_counted(stage: Stage) -> None:
    """One from the handler, one that was deferred; the actor goes on, and the next caller hears its own."""
    stage.start()
    held = Asking(stage.bus, "server", Hold())
    stage.world.held.get(timeout=PATIENCE)
    stage.bus.routes.close(ActorUnavailable("its caller's loop was closed"))
    outcomes = [held.outcome()]
    stage.bus.routes.closed = None
    assert stage.bus.routes.unheard == 0
    stage.world.gate.set()
    later = Asking(stage.bus, "server", Later())
    future = stage.world.futures.get(timeout=PATIENCE)
    assert stage.bus.routes.unheard == 1
    stage.bus.routes.close(ActorUnavailable("its caller's loop was closed"))
    outcomes.append(later.outcome())
    stage.bus.routes.closed = None
    future.set_result("late")
    assert stage.bus.call("server", Echo("x")) == "x"
    assert stage.bus.routes.unheard == 2
    assert [type(each).__name__ for each in outcomes] == ["OutcomeUnknown"] * 2


def test_l10_of_a_zombie_and_its_successor_only_the_successor_is_heard(stage: Stage) -> None:
    """Both reply, publish and write at once, under one name: what the zombie does reaches nobody."""
    table: Table[str, int] = Table()

    def act(server: Server) -> None:
        """As either of them."""
        table.put(server.context.fence, "k", server.context.generation)
        server.publish(Happened(server.context.generation))

    stage.world.after = act
    zombie, reports = stage.start()
    first = Asking(stage.bus, "server", Hold())
    stage.world.held.get(timeout=PATIENCE)
    zombie.context.fence.close()
    stage.bus.routes.down("server", 1, "given up")
    zombie.post(Fenced("given up"))
    assert type(first.outcome()).__name__ == "OutcomeUnknown"
    stage.start(generation=2)
    second = Asking(stage.bus, "server", Hold())
    stage.world.held.get(timeout=PATIENCE)
    stage.world.gate.set()
    assert second.outcome() == "held"
    assert isinstance(reports.exit().error, Fenced)
    assert (table.get("k"), [event for _, event in stage.bus.outbox]) == (2, [Happened(2)])
    assert not stage.bus.tell("zombie", Note("x"))
    assert zombie.context.fence.refused > 0


def test_l11_a_call_behind_the_last_generation_fails_at_once(stage: Stage) -> None:
    """Its name is gone: nobody waits for a successor that will not come."""
    server, reports = stage.start()
    server.post(Stop())
    reports.exit()
    stage.bus.routes.forget("server")
    with pytest.raises(ActorUnavailable, match="no actor named server runs under this root"):
        stage.bus.call("server", Echo("x"))
    assert not stage.bus.tell("server", Note("x"))
