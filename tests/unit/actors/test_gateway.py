"""The gateway: what comes from outside is answered exactly once, whoever is slow, wrong or greedy."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
import zmq
from hypothesis import HealthCheck, given, settings

from embervirt.actors.gateway import actor, door
from embervirt.actors.handover import Token
from embervirt.actors.messages import Message, Request
from unit.actors.harness import PATIENCE, Happened, block
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
    peer.send(id="begun", to="server", ask="harness.Hold", seconds=1.0)
    outside.stage.world.held.get(timeout=PATIENCE)
    peer.send(id="waiting", to="server", ask="harness.Count", seconds=0.05)
    told = {each["id"]: each["error"] for each in (peer.hear(), peer.hear())}
    assert "it was not begun and will not be" in told["waiting"]["message"]
    assert told["begun"]["name"] == "OperationTimeout"
    assert "may still happen" in told["begun"]["message"]
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
    assert not outside.door.subscribers and not outside.door.unread and not outside.gateway._held
    assert not [call for call in outside.door.calls if call.client is not None]
