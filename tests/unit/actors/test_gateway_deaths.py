"""Deaths and hangs, of the gateway and behind it: each call is still answered exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from embervirt.actors.fence import Fence, Fenced
from embervirt.actors.gateway import door, protocol
from embervirt.actors.gateway.calls import Calls
from embervirt.errors import ActorUnavailable, InvalidConnection
from unit.actors.harness import PATIENCE, RAISES, block
from unit.actors.outside import Outside, Peer, gatekept


def test_a_death_behind_the_gateway_settles_at_once(outside: Outside, peer: Peer) -> None:
    """What was in hand may have happened; what was not begun goes to the successor, if it is safe."""
    server = outside.stage.actors[1]
    gate = block(server)
    outside.stage.world.after = lambda server: (_ for _ in ()).throw(RuntimeError("killed"))
    peer.send(id="in hand", to="server", ask="harness.Hold")
    peer.send(id="unsafe", to="server", ask="harness.Count")
    peer.send(id="safe", to="server", ask="harness.Echo", body={"text": "again"})
    outside.stage.in_flight("server", 3)
    gate.set()
    outside.stage.world.gate.set()
    told = {each["id"]: each for each in (peer.hear(), peer.hear())}
    assert told["in hand"]["error"]["name"] == "InternalError"
    assert told["unsafe"]["error"]["name"] == "NotStarted"
    outside.stage.start(generation=2)
    assert peer.hear() == {"id": "safe", "ok": True, "reply": "again"}
    assert outside.stage.world.effects == 0


def test_a_call_for_an_actor_that_restarts_waits_for_it(outside: Outside, peer: Peer) -> None:
    """Until its deadline; others are served meanwhile."""
    outside.stage.bus.routes.expect("late")
    peer.send(id=1, to="late", ask="harness.Echo", body={"text": "in time"})
    hopeless = peer.ask(id=2, to="late", ask="harness.Count", seconds=0.1)
    assert "nothing was started" in hopeless["error"]["message"]
    assert peer.echo()["ok"]
    outside.stage.start("late")
    assert peer.hear()["reply"] == "in time"


def test_a_refused_actor_is_told_at_once(outside: Outside, peer: Peer) -> None:
    """One in quarantine, say."""
    outside.stage.bus.routes.refuse("server", ActorUnavailable("server was stopped"))
    assert peer.error(to="server", ask="harness.Count") == (
        "ActorUnavailable",
        "operation failed: server was stopped",
    )


@pytest.mark.parametrize("up", [True, False])
def test_a_driver_that_starts_slowly_delays_nobody_else(outside: Outside, peer: Peer, up: bool) -> None:
    """It is started on first use, on a thread of its own; then its calls are answered that still wait."""
    starting, found, one_at_a_time = threading.Event(), threading.Event(), threading.Lock()

    def missing(name: str) -> None:
        assert starting.wait(PATIENCE)
        with one_at_a_time:
            if up and not found.is_set():
                outside.stage.start(name)
            elif not up:
                outside.stage.bus.routes.expect(name)
            found.set()

    outside.stage.bus.routes.missing = missing
    impatient = peer.ask(id="impatient", to="storage", ask="harness.Count", seconds=0.05)
    assert impatient["error"]["name"] == "OperationTimeout"
    peer.send(id="slow", to="storage", ask="harness.Echo", body={"text": "up"})
    assert peer.echo()["ok"]
    starting.set()
    assert found.wait(PATIENCE)
    if not up:
        outside.stage.start("storage")
    assert peer.hear() == {"id": "slow", "ok": True, "reply": "up"}
    assert outside.reports.exits.empty() and outside.stage.world.effects == 0


def test_a_driver_that_cannot_start_is_told(outside: Outside, peer: Peer) -> None:
    """A bug in it too, without its text."""

    def missing(name: str) -> None:
        raise RAISES["error"]()

    outside.stage.bus.routes.missing = missing
    name, message = peer.error(to="storage", ask="harness.Echo", body={"text": ""})
    assert name == "InternalError" and "storage could not be started: ValueError; see the log" in message


def test_the_death_of_the_gateway_settles_what_it_held(outside: Outside, peer: Peer) -> None:
    """In hand: it may have happened. What is sent while there is no gateway is answered by the next one."""
    peer.send(id="begun", to="server", ask="harness.Hold")
    outside.stage.world.held.get(timeout=PATIENCE)
    peer.send(id="waiting", to="server", ask="harness.Count")
    outside.stage.in_flight("server", 2)
    outside.kill()
    told = {each["id"]: each["error"]["name"] for each in (peer.hear(), peer.hear())}
    assert told == {"begun": "OutcomeUnknown", "waiting": "NotStarted"}
    assert outside.stage.bus.routes.in_flight("server") == 0
    peer.send(id="patient", to="server", ask="harness.Echo", body={"text": "hello"})
    outside.start()
    outside.stage.world.gate.set()
    assert peer.hear() == {"id": "patient", "ok": True, "reply": "hello"}
    assert outside.stage.world.effects == 0


def test_a_gateway_that_hangs_is_replaced(outside: Outside, peer: Peer) -> None:
    """Its successor settles what it held, by the same connections; when it wakes up it is mute."""
    peer.send(id="begun", to="server", ask="harness.Hold")
    outside.stage.world.held.get(timeout=PATIENCE)
    hanging = block(outside.gateway)
    peer.send(id="unseen", to="server", ask="harness.Echo", body={"text": "hello"})
    outside.fence()
    zombie = outside.reports
    outside.start()
    assert peer.hear()["error"]["name"] == "OutcomeUnknown"
    hanging.set()
    assert "Fenced" in str(zombie.exit())
    outside.stage.world.gate.set()
    assert peer.hear() == {"id": "unseen", "ok": True, "reply": "hello"}
    assert peer.echo("after")["reply"] == "after"


def test_a_gateway_that_was_given_up_takes_and_sends_nothing(
    outside: Outside, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs with a request in hand: that is settled by the successor, and has no effect later."""
    hanging, wake = threading.Event(), threading.Event()

    def hang(name: str, allow: object) -> None:
        hanging.set()
        wake.wait(PATIENCE)

    with monkeypatch.context() as patched:
        patched.setattr(protocol, "check_allowed", hang)
        peer.send(id="in hand", to="server", ask="harness.Count")
        assert hanging.wait(PATIENCE)
    outside.fence()
    zombie = outside.reports
    outside.start()
    answer = peer.hear()
    assert (answer["id"], answer["error"]["name"]) == ("in hand", "NotStarted")
    busy = block(outside.gateway)
    peer.send(id="next", to="server", ask="harness.Echo", body={"text": "hello"})
    outside.unread()
    wake.set()
    assert "Fenced" in str(zombie.exit())
    busy.set()
    assert peer.hear() == {"id": "next", "ok": True, "reply": "hello"}
    assert outside.stage.world.effects == 0


def test_a_closed_fence_closes_the_door(outside: Outside) -> None:
    """Each step, whatever a generation that was given up is about to do."""
    fence, bus = Fence("gateway", 0), outside.stage.bus
    held: dict[door.Call, None] = {}
    calls = Calls(bus, fence, held, 1.0, lambda call, result: None, lambda task: None)
    fence.close()
    client = door.Client(0, b"\0")
    ask = protocol.Ask("server", "harness.Count")
    steps: list[Callable[[], object]] = [
        lambda: outside.door.take_over(fence),
        lambda: outside.door.receive(fence, 0),
        lambda: outside.door.done(fence),
        lambda: outside.door.send(fence, client, b"{}"),
        lambda: outside.door.descriptors(fence),
        lambda: calls.begin(door.Call(client, protocol.NULL, "server", 0.0, 1.0, 1, ask)),
    ]
    for step in steps:
        with pytest.raises(Fenced):
            step()
    bus.release(calls.socket)
    assert bus.routes.in_flight("server") == 0


def test_a_bug_in_the_gateway_is_told_to_who_met_it(
    outside: Outside, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ends this generation."""
    with monkeypatch.context() as patched:
        patched.setattr(protocol, "check_allowed", lambda name, allow: 1 / 0)
        error = ("NotStarted", "operation failed: the gateway ended before anybody began the call")
        assert peer.error(to="server", ask="harness.Count") == error
        assert "ZeroDivisionError" in str(outside.reports.exit())
    outside.start()
    assert peer.echo()["ok"]


def test_the_end_of_the_root_is_told_for_a_gateway_that_hangs(outside: Outside, peer: Peer) -> None:
    """Nobody else would answer what it held."""
    peer.send(id="begun", to="server", ask="harness.Hold")
    outside.stage.world.held.get(timeout=PATIENCE)
    hanging = block(outside.gateway)
    outside.fence()
    outside.door.close()
    assert peer.hear()["error"]["name"] == "InvalidConnection"
    hanging.set()
    assert "Fenced" in str(outside.reports.exit())


def test_the_end_of_the_root_is_told(tmp_path: Path) -> None:
    """To those who wait for an answer, and to those nobody listened to any more."""
    with gatekept(tmp_path) as outside:
        peer, heard = outside.peer(), []
        peer.send(id="begun", to="server", ask="harness.Hold")
        outside.stage.world.held.get(timeout=PATIENCE)
        outside.stage.bus.routes.close(InvalidConnection("the root was closed"))
        heard.append(peer.hear())
        heard.append(peer.echo(id="late"))
        outside.kill()
        peer.send(id="unheard", to="server", ask="harness.Count")
        outside.unread()
        outside.door.close()
        heard.append(peer.hear())
    assert [(each["id"], each["error"]["name"]) for each in heard] == [
        ("begun", "OutcomeUnknown"),
        ("late", "InvalidConnection"),
        ("unheard", "InvalidConnection"),
    ]
