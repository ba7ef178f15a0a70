"""The gateway: what comes from outside is answered exactly once, whoever is slow, wrong, greedy or dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zmq
from hypothesis import HealthCheck, given, settings

from embervirt.actors.fence import Fence, Fenced
from embervirt.actors.gateway import actor, door, protocol
from embervirt.actors.gateway.calls import Calls
from embervirt.actors.handover import Token
from embervirt.actors.messages import Message, Request
from embervirt.errors import ActorUnavailable, InvalidConnection
from unit.actors.harness import PATIENCE, RAISES, Happened, block
from unit.actors.outside import BOUNDS, FRAMES, Outside, Peer, answers, gatekept


class Reveal(Request[Token], frozen=True):
    """Its reply is a token."""


class Inner(msgspec.Struct, frozen=True):
    """Holds one, and itself."""

    tokens: dict[str, list[Token | None]]
    inner: Inner | None = None


class Hidden(Request[None], frozen=True):
    """A token deep inside."""

    inner: tuple[Inner, ...]


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    """A gateway with a server behind it."""
    with gatekept(tmp_path) as made:
        yield made


@pytest.fixture
def peer(outside: Outside) -> Peer:
    """One that is connected."""
    return outside.peer()


def test_a_reply_comes_back_under_its_id(peer: Peer) -> None:
    """The id is any JSON, given back as it came; without one it is null."""
    for id_ in (7, "seven", [1, {"a": None}], None, 1.5):
        assert peer.echo("hello", id=id_) == {"id": id_, "ok": True, "reply": "hello"}
    assert peer.echo("hello") == {"id": None, "ok": True, "reply": "hello"}


def test_answers_come_as_they_are_ready(outside: Outside, peer: Peer) -> None:
    """A call that takes long does not hold back another one of the same peer."""
    outside.stage.start("other")
    peer.send(id=1, to="server", ask="harness.Hold")
    outside.stage.in_flight("server", 1)
    assert peer.ask(id=2, to="other", ask="harness.Echo", body={"text": "b"})["id"] == 2
    outside.stage.world.gate.set()
    assert peer.hear() == {"id": 1, "ok": True, "reply": "held"}


def test_an_error_is_told_with_its_number(peer: Peer) -> None:
    """Class, code, domain and message are those a caller inside gets."""
    answer = peer.ask(id=1, to="server", ask="harness.Fail", body={"how": "expected"})
    message = "Requested operation is not valid: not in this state"
    error = {"name": "OperationInvalid", "code": 55, "domain": 0, "message": message}
    assert answer == {"id": 1, "ok": False, "error": error}


def test_a_bug_behind_the_gateway_is_an_internal_error(peer: Peer) -> None:
    """Its text stays inside."""
    name, message = peer.error(to="server", ask="harness.Fail", body={"how": "error"})
    assert name == "InternalError" and "secret-looking" not in message


REFUSED: list[tuple[bytes, str, str]] = [
    (b"", "InvalidArgument", "must be a JSON object"),
    (b"\xff\xfe", "InvalidArgument", "UTF-8"),
    (b"[1, 2]", "InvalidArgument", "got `array`"),
    (b'{"id": 1', "InvalidArgument", "truncated"),
    (b'{"id":' + b"[" * 50_000, "InvalidArgument", "recursion"),
    (b'{"id": "\\ud800 and more"}', "InvalidArgument", "malformed"),
    (b'{"pad": "' + b"x" * 100_000 + b'"}', "InvalidArgument", "at most 100000 are accepted"),
    (b'{"id": "' + b"x" * 200 + b'"}', "InvalidArgument", "at most 200 are accepted"),
    (b'{"to": "server"}', "InvalidArgument", "missing required field `ask`"),
    (b'{"to": "server", "ask": 1}', "InvalidArgument", "got `int`"),
    (b'{"to": "server", "ask": "a", "more": 1}', "InvalidArgument", "unknown field `more`"),
    (b'{"subscribe": "all"}', "InvalidArgument", "got `str`"),
    (b'{"subscribe": -1}', "InvalidArgument", "the last event of this root has the number 0"),
    (b'{"subscribe": 1}', "InvalidArgument", "the last event of this root has the number 0"),
    (b'{"subscribe": null, "to": "server"}', "InvalidArgument", "unknown field `to`"),
    (b'{"to": "server", "ask": "qemu.Define"}', "AccessDenied", "gateway.allow"),
    (b'{"to": "server", "ask": "Echo"}', "AccessDenied", "gateway.allow"),
    (b'{"to": "server", "ask": "harness.Nothing"}', "InvalidArgument", "there is no such request"),
    (b'{"to": "server", "ask": "harness.Note"}', "InvalidArgument", "there is no such request"),
    (b'{"to": "server", "ask": "harness.Happened"}', "InvalidArgument", "there is no such request"),
    (b'{"to": "server", "ask": "harness.Echo"}', "InvalidArgument", "missing required field `text`"),
    (b'{"to": "server", "ask": "harness.Echo", "body": []}', "InvalidArgument", "got `array`"),
    (b'{"to": "server", "ask": "harness.Echo", "body": {"text": 1}}', "InvalidArgument", "got `int`"),
    (b'{"to": "server", "ask": "harness.Echo", "body": {"text": "", "x": 1}}', "InvalidArgument", "field x"),
    (b'{"to": "server", "ask": "harness.Echo", "seconds": 0}', "InvalidArgument", "gateway.deadline"),
    (b'{"to": "server", "ask": "harness.Echo", "seconds": 21}', "InvalidArgument", "gateway.deadline"),
    (b'{"to": "server", "ask": "harness.Echo", "seconds": 1e999}', "InvalidArgument", "out of range"),
    (b'{"to": "nobody", "ask": "harness.Count"}', "ActorUnavailable", "no actor named nobody"),
    (b'{"to": "events", "ask": "harness.Count"}', "InvalidArgument", "events does not know Count"),
    (b'{"to": "gateway", "ask": "harness.Count"}', "InvalidArgument", "gateway does not know Count"),
]


@pytest.mark.parametrize(("frame", "name", "text"), REFUSED)
def test_what_cannot_be_asked_is_refused(peer: Peer, frame: bytes, name: str, text: str) -> None:
    """With an error that says what was wrong; the next request is answered."""
    peer.socket.send(frame)
    error = peer.hear()["error"]
    assert error["name"] == name and text in error["message"]
    assert peer.echo()["ok"]


def test_a_refusal_has_the_id_that_can_be_read(peer: Peer) -> None:
    """Whatever else is wrong."""
    assert peer.ask(id="x", nonsense=1)["id"] == "x"


def test_more_than_one_frame_is_refused(peer: Peer) -> None:
    """A REQ socket sends two, say."""
    peer.socket.send_multipart([b"", b"{}"])
    assert "a message of 2 frames" in peer.hear()["error"]["message"]


def test_a_peer_that_sends_far_too_much_is_hung_up_on(outside: Outside, peer: Peer) -> None:
    """Before it fills the memory; it may come again."""
    monitor = peer.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    peer.socket.send(b"x" * (3 * BOUNDS.max_message))
    assert monitor.poll(int(PATIENCE * 1000))
    peer.socket.disable_monitor()
    assert peer.echo()["ok"]


def test_a_peer_that_poses_as_another_is_refused(outside: Outside) -> None:
    """A routing id of its own could be that of a peer whose answers are still to come."""
    assert "routing id of its own" in outside.peer(b"somebody").echo()["error"]["message"]


def test_nothing_with_a_token_comes_from_outside(tmp_path: Path) -> None:
    """In the message, in its reply, or deep inside: even when everything is allowed."""
    with gatekept(tmp_path, msgspec.structs.replace(BOUNDS, allow=("*",))) as outside:
        peer = outside.peer()
        for cls in (Reveal, Hidden):
            name, message = peer.error(to="server", ask=f"test_gateway.{cls.__name__}")
            assert name == "NotSupported" and "never leaves the process" in message


MODULES = ("one.harness", "another.harness")


class Chain(msgspec.Struct, frozen=True):
    """Without end, and without a token."""

    next: Chain | None = None


class Chained(Request[None], frozen=True):
    """Any number of them."""

    chain: Chain


class Number(Request[None], frozen=True):
    """Any number, as far as JSON is concerned."""

    n: int


def test_everything_else_may(tmp_path: Path) -> None:
    """The server does not know these two, which is all that is wrong with them; but a number has 64 bits."""
    with gatekept(tmp_path, msgspec.structs.replace(BOUNDS, allow=("test_gateway.*",))) as outside:
        peer = outside.peer()
        chained = peer.error(to="server", ask="test_gateway.Chained", body={"chain": {"next": {}}})
        assert "server does not know Chained" in chained[1]
        assert "server does not know Number" in peer.error(to="server", ask=NUMBER, body={"n": 2**63})[1]
        assert "can't serialize ints" in peer.error(to="server", ask=NUMBER, body={"n": 2**65})[1]


NUMBER = "test_gateway.Number"


def test_a_short_name_of_two_requests_is_nobodys(peer: Peer) -> None:
    """Rather than the wrong one."""
    doubles = [msgspec.defstruct("Double", [], bases=(Request,), module=module) for module in MODULES]
    try:
        name, message = peer.error(to="server", ask="harness.Double")
        assert name == "InvalidArgument" and "one.harness.Double and another.harness.Double" in message
    finally:
        assert [Message.kinds.pop(f"{module}.Double") for module in MODULES] == doubles


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=FRAMES)
def test_any_frame_has_exactly_one_answer(outside: Outside, frames: list[bytes]) -> None:
    """Of the right shape, and the gateway is still the same one afterwards."""
    peer = outside.peer()
    for frame in frames:
        peer.socket.send(frame)
    shapes = [set(each) for each in answers(peer, len(frames))]
    assert all(each in ({"id", "ok", "reply"}, {"id", "ok", "error"}, {"id", "seq"}) for each in shapes)
    assert outside.peer().echo("still there")["reply"] == "still there"
    peer.socket.close(0)
    assert outside.reports.exits.empty()


# Bounds.


def test_a_slow_actor_delays_nobody_else(outside: Outside, peer: Peer) -> None:
    """Another peer's call to another actor is answered while the first one waits."""
    outside.stage.start("other")
    peer.send(id=1, to="server", ask="harness.Hold")
    outside.stage.in_flight("server", 1)
    answer = outside.peer().ask(to="other", ask="harness.Echo", body={"text": "quick"})
    assert answer["reply"] == "quick"


def test_no_peer_has_more_under_way_than_is_left_for_others(tmp_path: Path) -> None:
    """Of ten, one alone gets five and the next one three; what is answered is free again."""
    with gatekept(tmp_path, msgspec.structs.replace(BOUNDS, in_flight=10)) as outside:
        greedy, other = outside.peer(), outside.peer()
        for n in range(6):
            greedy.send(id=n, to="server", ask="harness.Hold")
        assert greedy.hear()["error"]["name"] == "ResourceBusy"
        for n in range(4):
            other.send(id=n, to="server", ask="harness.Hold")
        refused = other.hear()
        assert refused["id"] == 3 and "(setting gateway.in_flight)" in refused["error"]["message"]
        outside.stage.world.gate.set()
        assert sorted(greedy.hear()["id"] for _ in range(5)) == [0, 1, 2, 3, 4]
        assert [other.hear()["reply"] for _ in range(3)] == ["held"] * 3
        assert greedy.echo()["ok"]


def test_subscriptions_count_too(tmp_path: Path) -> None:
    """Else a peer could have any number of them."""
    with gatekept(tmp_path, msgspec.structs.replace(BOUNDS, in_flight=10)) as outside:
        peer = outside.peer()
        for _ in range(5):
            peer.subscribe()
        assert peer.ask(subscribe=None)["error"]["name"] == "ResourceBusy"


def test_a_call_ends_at_its_deadline(outside: Outside, peer: Peer) -> None:
    """With what is known of it: in hand, or certainly not begun."""
    peer.send(id="begun", to="server", ask="harness.Hold", seconds=0.3)
    outside.stage.world.held.get(timeout=PATIENCE)
    waiting = peer.ask(id="waiting", to="server", ask="harness.Count", seconds=0.05)
    assert "it was not begun and will not be" in waiting["error"]["message"]
    late = peer.hear()
    assert (late["id"], late["error"]["name"]) == ("begun", "OperationTimeout")
    assert "may still happen" in late["error"]["message"]
    outside.stage.world.gate.set()
    assert peer.echo("after")["reply"] == "after"
    assert outside.stage.world.effects == 0


def test_an_answer_that_is_not_read_waits_for_its_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as under way; others are served, and none is lost."""
    monkeypatch.setattr(door, "UNSENT", 1)
    monkeypatch.setattr(actor, "READ", 0.01)
    with gatekept(tmp_path) as outside:
        slow, other = outside.peer(), outside.peer()
        for n in range(12):
            slow.send(id=n, to="server", ask="harness.Echo", body={"text": "x" * 90_000})
        outside.stage.admitted(12)
        assert other.echo("quick")["reply"] == "quick"
        assert outside.door.unread
        assert sorted(slow.hear()["id"] for _ in range(12)) == list(range(12))


def test_a_peer_that_went_away_costs_nothing(outside: Outside, peer: Peer) -> None:
    """Its call ends with its answer, its subscription with the next event; nothing is kept for it."""
    peer.send(id=1, to="server", ask="harness.Hold")
    peer.subscribe()
    outside.stage.in_flight("server", 1)
    peer.socket.close(0)
    outside.stage.world.gate.set()
    other, until = outside.peer(), time.monotonic() + PATIENCE
    while outside.door.subscribers and time.monotonic() < until:
        outside.stage.bus.publish(Happened(1))
        assert other.echo()["ok"]
    block(outside.gateway).set()  # it has counted what it answered
    assert not outside.door.subscribers and not outside.door.calls and not outside.door.unread
    assert not outside.gateway._held


# Deaths.


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
