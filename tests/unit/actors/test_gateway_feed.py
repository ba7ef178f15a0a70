"""Events on their way out: every peer hears each number once and in order, or is told which are lost."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embervirt.actors.gateway import door, feed
from embervirt.actors.messages import Event
from unit.actors.harness import PATIENCE, block
from unit.actors.outside import Outside, Peer, gatekept


class Large(Event, frozen=True):
    """More than a few of them fill a socket's buffers."""

    text: str


def settle(outside: Outside, peer: Peer) -> None:
    """Waits until the gateway is sure that it hears events."""
    until = time.monotonic() + PATIENCE
    while outside.gateway._feed.due < time.monotonic() + feed.ALIVE / 2 and time.monotonic() < until:
        assert peer.echo()["ok"]


def past(outside: Outside, count: int) -> None:
    """So many events that the gateway has heard: who asks for them gets them from the journal."""
    witness = outside.peer()
    start = witness.subscribe()
    settle(outside, witness)
    outside.publish(count)
    assert witness.numbers(count) == list(range(start + 1, start + count + 1))
    witness.socket.close(0)


def test_an_event_comes_as_the_journal_has_it(outside: Outside, peer: Peer) -> None:
    """Under the id of the subscription."""
    assert peer.subscribe(id_=["mine"]) == 0
    outside.publish(1)
    told = peer.hear()
    assert told["id"] == ["mine"]
    event = told["event"]
    assert (event["seq"], event["kind"], event["body"]) == (1, "unit.actors.harness.Happened", {"n": 0})


def test_events_since_a_number_come_first(
    outside: Outside, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then those that happen; more than the journal gives at once, without a pause."""
    before = feed.PORTION + 30
    past(outside, before)
    monkeypatch.setattr(feed, "HEARD", 10 * PATIENCE)
    assert peer.subscribe(10) == 10
    outside.publish(5)
    assert peer.numbers(before - 5) == list(range(11, before + 6))
    other = outside.peer()
    assert other.subscribe() == before + 5


def test_calls_go_on_beside_a_subscription(outside: Outside, peer: Peer) -> None:
    """On the same connection, told apart by id."""
    peer.subscribe()
    assert peer.echo(id="call")["id"] == "call"
    outside.publish(1)
    assert peer.hear()["id"] == "events"


def test_what_the_publisher_dropped_is_asked_of_the_journal(
    outside: Outside, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway was busy, and its queue of 100 is full."""
    monkeypatch.setattr(feed, "ALIVE", 10 * PATIENCE)
    assert peer.subscribe() == 0
    settle(outside, peer)
    busy = block(outside.gateway)
    outside.publish(500)
    busy.set()
    assert peer.numbers(500) == list(range(1, 501))


def test_what_the_journal_has_no_more_is_told_to_be_lost(tmp_path: Path) -> None:
    """As the first and the last number that are gone."""
    with gatekept(tmp_path, keep=10) as outside:
        peer = outside.peer()
        past(outside, 35)
        peer.subscribe(3)
        kept = [seq for seq, _ in outside.events._lines]
        assert kept[0] > 4
        assert peer.numbers(1 + len(kept)) == [[4, kept[0] - 1], *kept]


def test_who_asks_for_more_while_the_journal_is_asked_gets_it_next(outside: Outside, peer: Peer) -> None:
    """What is missing in an answer to another peer is not lost."""
    past(outside, 10)
    busy = block(outside.events)
    peer.subscribe(5)
    outside.stage.in_flight("events", 1)
    other = outside.peer()
    other.subscribe(0)
    busy.set()
    assert peer.numbers(5) == [6, 7, 8, 9, 10]
    assert other.numbers(10) == list(range(1, 11))


def test_an_idle_root_leaves_the_gateway_alone(outside: Outside, peer: Peer) -> None:
    """Once it knows that it hears events, by a mark of its own, it looks after its peers every 10 s only."""
    peer.subscribe()
    settle(outside, peer)
    assert outside.gateway._feed.due > time.monotonic() + feed.ALIVE / 2


def test_events_go_on_after_the_death_of_their_actor(outside: Outside, peer: Peer) -> None:
    """And it may have died with the last one unsent."""
    peer.subscribe()
    for _ in range(3):
        outside.publish(2)
        outside.kill_events()
        outside.start_events()
    outside.publish(1)
    assert peer.numbers(7) == list(range(1, 8))


def test_a_subscription_outlives_the_gateway(outside: Outside, peer: Peer) -> None:
    """What happens between two generations is told by the next one."""
    peer.subscribe()
    outside.publish(2)
    assert peer.numbers(2) == [1, 2]
    outside.kill()
    outside.publish(2)
    outside.start()
    outside.publish(2)
    assert peer.numbers(4) == [3, 4, 5, 6]


def test_a_peer_that_does_not_read_delays_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets what it missed when it reads; the other one hears all at once."""
    monkeypatch.setattr(door, "UNSENT", 1)
    monkeypatch.setattr(feed, "READ", 0.02)
    with gatekept(tmp_path) as outside:
        slow, quick = outside.peer(), outside.peer()
        slow.subscribe()
        quick.subscribe()
        for _ in range(12):
            outside.stage.bus.publish(Large("x" * 90_000))
            assert quick.hear()
        assert any(each.full for each in outside.door.subscribers)
        assert slow.numbers(12) == list(range(1, 13))


STEPS = st.lists(
    st.tuples(st.sampled_from(["publish", "gateway", "events", "subscribe"]), st.integers(0, 20)), max_size=12
)


@settings(max_examples=15)
@given(steps=STEPS)
def test_no_number_is_missing_or_twice(steps: list[tuple[str, int]]) -> None:
    """Whatever dies in between, and whenever a peer subscribed."""
    with TemporaryDirectory() as directory, gatekept(Path(directory)) as outside:
        peers: list[tuple[Peer, int]] = []
        for what, n in steps:
            match what:
                case "publish":
                    outside.publish(n)
                case "gateway":
                    outside.kill()
                    outside.start()
                case "events":
                    outside.kill_events()
                    outside.start_events()
                case "subscribe":
                    since = min(n, outside.stage.bus.published)
                    peers.append((outside.peer(), since))
                    peers[-1][0].subscribe(since)
        outside.publish(1)
        last = outside.stage.bus.published
        for peer, since in peers:
            assert peer.numbers(last - since) == list(range(since + 1, last + 1))


def test_a_peer_without_events_hears_that_the_gateway_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Now and then, with the number up to which it was told everything."""
    monkeypatch.setattr(feed, "ALIVE", 0.02)
    with gatekept(tmp_path) as outside:
        peer = outside.peer()
        outside.publish(3)
        assert peer.subscribe() == 3
        for _ in range(2):
            assert peer.socket.poll(int(PATIENCE * 1000))
            assert peer.socket.recv() == b'{"id":"events","seq":3}'
