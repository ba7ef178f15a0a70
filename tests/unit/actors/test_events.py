"""Events: numbered without gap, delivered once and in order, whoever dies; or an explicit overflow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import structlog

from embervirt.actors import subscription
from embervirt.actors.actor import Stop
from embervirt.actors.bus import EVENTS_ACTOR
from embervirt.actors.event_log import Mark, Since
from embervirt.actors.fence import Fenced
from embervirt.actors.messages import Event, Message, Numbered, Request
from embervirt.actors.subscription import Subscription
from embervirt.errors import InvalidArgument, InvalidConnection
from unit.actors.event_log import Log, Seen, payload, payloads
from unit.actors.harness import PATIENCE, Happened, Stage, block, closed, staged


def test_events_arrive_in_order_with_numbers(log: Log, heard: Subscription) -> None:
    """Numbered from 1, with time and id."""
    log.publish(*range(100))
    got = [heard.get(PATIENCE) for _ in range(100)]
    assert [each.seq for each in got if isinstance(each, Numbered)] == list(range(1, 101))
    assert [payload(each) for each in got if each] == list(range(100))
    assert len({each.id for each in got if isinstance(each, Numbered)}) == 100
    assert log.written() == list(range(1, 101))


def test_every_subscriber_hears_from_its_own_moment_on(stage: Stage, log: Log) -> None:
    """``seq`` is the last number before it."""
    log.publish(1)
    with Subscription(stage.bus) as first:
        log.publish(2)
        assert payloads(first, 1) == [2]
        with Subscription(stage.bus) as second:
            log.publish(3)
            assert (first.seq, second.seq, payloads(first, 1), payloads(second, 1)) == (2, 2, [3], [3])


@pytest.mark.parametrize("seed", range(4))
def test_m01_kills_at_random_lose_and_double_nothing(stage: Stage, log: Log, seed: int) -> None:
    """M01: three publishers, a log that is killed twenty times, a subscriber that joins twice as late."""
    random = Random(seed)
    with Subscription(stage.bus, queue=random.choice([1, 3, 1000])) as early:
        threads = [
            threading.Thread(target=log.publish, args=range(start, start + 100)) for start in (0, 1000, 2000)
        ]
        for thread in threads:
            thread.start()
        for _ in range(20):
            if random.random() < 0.5:
                log.restart()
            else:
                stage.bus.call(EVENTS_ACTOR, Mark(b""))
        for thread in threads:
            thread.join()
        log.restart()
        seen = payloads(early, 300)
        assert log.written() == list(range(1, 301))
        for start in (0, 1000, 2000):
            mine = [n for n in seen if isinstance(n, int) and start <= n < start + 100]
            assert mine == list(range(start, start + 100))
        assert early.get(0) is None
    with Subscription(stage.bus, since=0) as late:
        assert payloads(late, 300) == seen


def test_events_wait_while_nobody_numbers_them(log: Log, heard: Subscription) -> None:
    """Published between two generations: kept, and numbered by the successor."""
    log.publish(1)
    log.kill()
    log.publish(2, 3)
    log.start()
    assert payloads(heard, 3) == [1, 2, 3]
    assert log.written() == [1, 2, 3]


def test_an_event_written_but_not_sent_is_sent_by_the_successor(
    log: Log, heard: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The subscriber, who waits already, hears it without a later event, once."""

    class Dead:
        def send_multipart(self, frames: list[bytes]) -> None:
            raise OSError("killed between journal and subscribers")

    got: Seen = []
    waiting, poll = threading.Event(), heard._poller.poll

    def wait(timeout: int | None = None) -> Any:
        waiting.set()
        return poll(timeout)

    monkeypatch.setattr(heard._poller, "poll", wait)
    monkeypatch.setattr(log.actor, "_out", Dead())
    listener = threading.Thread(target=lambda: got.extend(payloads(heard, 1)))
    listener.start()
    assert waiting.wait(PATIENCE)
    log.publish(1)
    log.reports.exit()
    assert log.written() == [1]
    log.start()
    listener.join()
    assert got == [1]
    assert heard.get(0) is None


def test_a_torn_last_line_is_dropped(stage: Stage, log: Log) -> None:
    """The machine died in the middle of a write: that event was told to nobody; its number is given again."""
    log.publish(1, 2)
    stage.bus.call(EVENTS_ACTOR, Mark(b""))
    log.kill()
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + b'{"seq":3,"at":1.0,"id":"x","ki')
    log.start()
    assert log.path.read_bytes() == whole
    log.publish(3)
    with Subscription(stage.bus, since=0) as heard:
        assert payloads(heard, 3) == [1, 2, 3]
    assert log.written() == [1, 2, 3]


def test_a_line_that_the_disk_spoilt_is_an_overflow(stage: Stage, log: Log) -> None:
    """It does not keep the root from opening; whoever asks for it is told that it is lost."""
    log.publish(1, 2, 3)
    stage.bus.call(EVENTS_ACTOR, Mark(b""))
    log.kill()
    lines = log.path.read_bytes().splitlines(keepends=True)
    lines[1] = b"\0" * 20 + b"\n"
    log.path.write_bytes(b"".join(lines))
    with structlog.testing.capture_logs():
        log.start()
    log.publish(4)
    with Subscription(stage.bus, since=0) as heard:
        assert payloads(heard, 4) == [1, (2, 2), 3, 4]


def test_a_log_that_was_given_up_writes_and_takes_nothing(
    stage: Stage, log: Log, heard: Subscription
) -> None:
    """It comes back in the middle of its work: the journal and the outbox are its successor's."""
    log.publish(1)
    assert payloads(heard, 1) == [1]
    zombie, reports = log.actor, log.reports
    held, gate = threading.Event(), threading.Event()

    def hang() -> None:
        held.set()
        gate.wait(PATIENCE)
        zombie._publish("late", Happened(99))

    zombie.post(hang)
    assert held.wait(PATIENCE)
    zombie.context.fence.close()
    stage.bus.routes.down(EVENTS_ACTOR, 1, "given up")
    zombie.post(Fenced("given up"))
    log.start()
    log.publish(2)
    assert payloads(heard, 1) == [2]
    gate.set()
    assert isinstance(reports.exit().error, Fenced)
    log.publish(3)
    assert payloads(heard, 1) == [3]
    assert log.written() == [1, 2, 3]


def test_the_last_events_before_a_stop_are_kept(stage: Stage, log: Log) -> None:
    """The stop goes before the mail that would have announced them."""
    gate = block(log.actor)
    log.publish(1, 2)
    log.actor.post(Stop())
    gate.set()
    log.reports.exit()
    assert log.written() == [1, 2]


def test_numbers_go_on_after_the_root_was_closed(tmp_path: Path) -> None:
    """The next bus, on the same journal."""
    for expected in ([1], [1, 2]):
        with staged() as stage:
            log = Log(stage, tmp_path / "events.jsonl")
            log.publish(0)
            stage.bus.call(EVENTS_ACTOR, Mark(b""))
            assert log.written() == expected


def test_a_subscriber_resumes_after_a_number(stage: Stage, log: Log) -> None:
    """From the journal first, then as it happens, without a seam."""
    log.publish(1, 2, 3)
    with Subscription(stage.bus, since=1) as heard:
        log.publish(4)
        assert payloads(heard, 3) == [2, 3, 4]
    with Subscription(stage.bus, since=4) as heard:
        assert heard.get(0) is None


def test_a_number_from_the_future_is_refused(stage: Stage, log: Log) -> None:
    """Else it would be silent until that number came."""
    log.publish(1)
    with pytest.raises(InvalidArgument, match="events since 9: the last event of this root has the number 1"):
        Subscription(stage.bus, since=9)


@pytest.mark.parametrize("queue", [1, 2, 10])
def test_m03_a_slow_subscriber_catches_up_from_the_journal(stage: Stage, log: Log, queue: int) -> None:
    """M03: its queue overflowed; nothing is lost, also not the last one, after which nothing comes."""
    with Subscription(stage.bus, queue=queue) as heard:
        log.publish(*range(200))
        stage.bus.call(EVENTS_ACTOR, Mark(b""))
        assert payloads(heard, 200) == list(range(200))
        assert heard.get(0) is None


def test_m03_one_slower_than_the_journal_is_long_is_told_what_it_lost(stage: Stage, tmp_path: Path) -> None:
    """M03: overflow from, to; then it goes on with what there is; the publisher was not held up."""
    log = Log(stage, tmp_path / "short.jsonl", keep=10)
    with Subscription(stage.bus, queue=1) as heard:
        log.publish(*range(1, 101))
        stage.bus.call(EVENTS_ACTOR, Mark(b""))
        seen: Seen = []
        while not seen or seen[-1] != 100:
            seen += payloads(heard, 1)
    lost = [each for each in seen if isinstance(each, tuple)]
    assert len(lost) == 1
    first, last = lost[0]
    assert seen == [*range(1, first), (first, last), *range(last + 1, 101)]
    assert 80 <= last < 100


def test_the_journal_is_bounded(stage: Stage, tmp_path: Path) -> None:
    """At least ``keep`` events, at most twice as many; private; also after a restart."""
    log = Log(stage, tmp_path / "short.jsonl", keep=5)
    for n in range(1, 40):
        log.publish(n)
        if n % 10 == 0:
            log.restart()
        stage.bus.call(EVENTS_ACTOR, Mark(b""))
        assert log.written()[-1] == n
        assert min(n, 5) <= len(log.written()) < 10
    assert log.path.stat().st_mode & 0o777 == 0o600
    journal = stage.bus.call(EVENTS_ACTOR, Since(1))
    assert journal.first == log.written()[0]


@contextmanager
def storm(stage: Stage, log: Log) -> Iterator[None]:
    """Events without a pause, from a thread of their own."""
    over = threading.Event()

    def publish() -> None:
        while not over.is_set():
            log.publish(0)
            stage.bus.call(EVENTS_ACTOR, Mark(b""))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_m02_joining_in_a_storm_of_events_works(stage: Stage, log: Log) -> None:
    """M02: a mark that is dropped, because the subscription was not known yet, is sent again."""
    with storm(stage, log):
        for _ in range(15):
            with Subscription(stage.bus) as heard:
                got = heard.get(PATIENCE)
                assert isinstance(got, Numbered)
                assert got.seq == heard.seq


@pytest.mark.parametrize("begun", [False, True])
def test_a_subscriber_outlives_the_log_in_the_middle_of_a_question(
    stage: Stage, log: Log, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """What it asks changes nothing, so it asks again, also when the log had begun to answer."""
    with Subscription(stage.bus, queue=1) as heard:
        log.publish(*range(50))
        stage.bus.call(EVENTS_ACTOR, Mark(b""))
        gate, answering = threading.Event(), threading.Event()

        def mark(_: Mark) -> int:
            answering.set()
            gate.wait(PATIENCE)
            raise Fenced("given up")

        if begun:
            monkeypatch.setattr(log.actor, "mark", mark)
        else:
            gate = block(log.actor)
        got: Seen = []
        listener = threading.Thread(target=lambda: got.extend(payloads(heard, 50)))
        listener.start()
        stage.in_flight(EVENTS_ACTOR, 1)
        assert not begun or answering.wait(PATIENCE)
        log.actor.context.fence.close()
        stage.bus.routes.down(EVENTS_ACTOR, 1, "given up")
        log.actor.post(Fenced("given up"))
        log.start()
        listener.join()
        gate.set()
        assert got == list(range(50))


def test_cancel_wakes_a_waiting_subscriber(stage: Stage, log: Log) -> None:
    """From any thread, once and for all; also after ``close``."""
    heard = Subscription(stage.bus)
    threading.Timer(0, heard.cancel).start()
    assert heard.get() is None
    assert heard.get() is None
    heard.close()
    heard.close()
    heard.cancel()


def test_the_end_of_the_root_ends_a_subscription(tmp_path: Path) -> None:
    """It wakes and answers None; one that comes later is refused."""
    with staged() as stage:
        log = Log(stage, tmp_path / "events.jsonl")
        heard = Subscription(stage.bus)
        got: list[object] = []

        def listen() -> None:
            with heard:
                got.append(heard.get())

        listener = threading.Thread(target=listen)
        listener.start()
        log.actor.post(Stop())
        log.reports.exit()
        assert closed(stage.bus)
        listener.join()
        assert got == [None]
        with pytest.raises(InvalidConnection):
            Subscription(stage.bus)


def test_an_event_of_a_driver_that_is_not_there_is_none(stage: Stage, log: Log, heard: Subscription) -> None:
    """Its number counts; its class is unknown here."""

    class Passing(Event, frozen=True):
        n: int

    stage.bus.publish(Passing(1))
    got = heard.get(PATIENCE)
    assert isinstance(got, Numbered)
    assert got.event() == Passing(1)
    del Message.kinds[Passing.kind]
    assert got.event() is None
    assert msgspec.json.decode(got.body) == {"n": 1}


def test_a_dropped_mark_is_sent_again_though_events_never_pause(
    stage: Stage, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a silence that would tell of its loss; the first mark never arrives here."""
    real, asked = Subscription._ask, []

    def ask(self: Subscription, request: Request[Any]) -> Any:
        asked.append(request)
        stranger = Mark(b"stranger") if isinstance(request, Mark) and len(asked) == 1 else request
        return real(self, stranger)

    monkeypatch.setattr(Subscription, "_ask", ask)
    monkeypatch.setattr(subscription, "AGAIN", 0.05)
    with storm(stage, log), Subscription(stage.bus) as heard:
        assert heard.seq >= 0
    assert len(asked) > 1
