"""The events' journal on a disk that fails: the log goes on, nothing is lost or torn."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog

from embervirt import disk, faults
from embervirt.actors import event_log
from embervirt.actors.bus import EVENTS_ACTOR
from embervirt.actors.event_log import Mark, Since
from embervirt.actors.subscription import Subscription
from unit.actors.event_log import Log, payloads
from unit.actors.harness import Happened, Stage

FULL = faults.error(errno.ENOSPC)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that cannot be written is tried again after a hundredth of a second."""
    monkeypatch.setattr(event_log, "FIRST_RETRY", 0.01)


@pytest.fixture
def said() -> Iterator[list[MutableMapping[str, Any]]]:
    """Lines of the log; to be asked for before the actors whose lines they are."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.mark.usefixtures("soon")
def test_k07_a_full_disk_ends_no_log_and_loses_no_event(
    said: list[MutableMapping[str, Any]], stage: Stage, log: Log, heard: Subscription
) -> None:
    """It is degraded, says so once, and tries again; it answers meanwhile, and then nothing is missing."""
    log.publish(1)
    assert payloads(heard, 1) == [1]
    with faults.inject("file.written", FULL, where={"path": "*events.jsonl"}) as full:
        log.publish(2, 3)
        full.wait(hits=3)
        assert len(stage.bus.call(EVENTS_ACTOR, Since(1)).lines) == 1
        assert "No space left on device" in stage.bus.degraded[EVENTS_ACTOR]
    assert payloads(heard, 2) == [2, 3]
    stage.bus.call(EVENTS_ACTOR, Mark(b""))
    assert [line["event"].partition(":")[0] for line in said] == ["degraded", "no longer degraded"]
    assert (log.written(), stage.bus.degraded) == ([1, 2, 3], {})
    assert log.reports.exits.empty()


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("point", ["file.opened", "file.removed", "file.written", "file.truncated"])
def test_k07_no_step_of_the_journal_ends_the_log(stage: Stage, log: Log, point: str, code: int) -> None:
    """Whichever of its calls fails, after a line that was written in part: nothing is torn in the end."""
    with ExitStack() as failing:
        torn = faults.torn(10, faults.error(code))
        failing.enter_context(faults.inject("file.written", torn, where={"path": "*events.jsonl"}, times=1))
        first = failing.enter_context(faults.inject(point, faults.error(code), where={"path": "*events.*"}))
        log.publish(1, 2)
        first.wait(hits=2)
    with Subscription(stage.bus, since=0) as heard:
        assert payloads(heard, 2) == [1, 2]
    assert log.written() == [1, 2]


@pytest.mark.usefixtures("soon")
def test_k07_a_log_starts_on_a_full_disk(stage: Stage, tmp_path: Path) -> None:
    """Also with a torn last line to remove, and for its first file."""
    with faults.inject("file.created", FULL) as full:
        log = Log(stage, tmp_path / "new.jsonl")
        log.publish(1)
        full.wait(hits=2)
    with Subscription(stage.bus, since=0) as heard:
        assert payloads(heard, 1) == [1]
    log.kill()
    log.path.write_bytes(log.path.read_bytes() + b"{")
    with faults.inject("file.truncated", FULL) as full:
        log.start()
        log.publish(2)
        full.wait(hits=2)
    with Subscription(stage.bus, since=0) as heard:
        assert payloads(heard, 2) == [1, 2]


def test_k07_a_short_write_is_a_full_disk(stage: Stage, log: Log, heard: Subscription) -> None:
    """The kernel took ten bytes and raised nothing: no half of a line stays."""

    def write(file: disk.File, data: bytes) -> int:
        return os.write(file.descriptor, data[:10])

    with disk.substituted(write=write):
        log.publish(1)
        while EVENTS_ACTOR not in stage.bus.degraded:
            stage.bus.call(EVENTS_ACTOR, Since(1))
    assert payloads(heard, 1) == [1]
    assert log.written() == [1]


def test_k07_a_journal_that_cannot_be_shortened_goes_on(stage: Stage, tmp_path: Path) -> None:
    """There may be room for a line and none for a second journal: shortened later, and no event waits."""
    log = Log(stage, tmp_path / "short.jsonl", keep=5)
    with Subscription(stage.bus) as heard:
        with faults.inject("file.created", FULL) as full:
            log.publish(*range(12))
            assert payloads(heard, 12) == list(range(12))
        stage.bus.call(EVENTS_ACTOR, Since(1))  # after the last event, which is told before it shortens
        assert (full.hits, log.written()) == (1, list(range(1, 13)))
        log.publish(*range(12, 20))
        assert payloads(heard, 8) == list(range(12, 20))
    stage.bus.call(EVENTS_ACTOR, Since(1))
    assert log.written() == list(range(16, 21))
    assert [path.name for path in tmp_path.iterdir()] == ["short.jsonl"]


def test_events_that_cannot_wait_any_longer_are_a_gap(
    stage: Stage, log: Log, heard: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded: of fifty with room for ten the oldest go, and listeners are told which numbers."""
    monkeypatch.setattr(event_log, "WAITING", 10)
    with faults.inject("file.written", FULL, where={"path": "*events.jsonl"}) as full:
        log.publish(0)
        full.wait()
        log.publish(*range(1, 50))
        stage.bus.call(EVENTS_ACTOR, Mark(b""))
        assert len(stage.bus.outbox) == 10
        log.restart()
    assert payloads(heard, 11) == [(1, 40), *range(40, 50)]
    assert log.written() == list(range(41, 51))


def test_what_waits_at_the_end_of_a_root_is_written_down(stage: Stage, log: Log) -> None:
    """Its log is down just then: each gets its number, behind the last whole line, and is told later."""
    log.publish(1)
    stage.bus.call(EVENTS_ACTOR, Since(1))
    log.kill()
    log.path.write_bytes(log.path.read_bytes() + b'{"seq":')
    log.publish(2, 3)
    event_log.settle(log.path, stage.bus)
    assert log.written() == [1, 2, 3]
    stage.bus.outbox.clear()
    log.start()
    with Subscription(stage.bus, since=0) as heard:
        assert payloads(heard, 3) == [1, 2, 3]


def test_the_first_events_of_a_root_have_no_journal_to_be_behind(stage: Stage, tmp_path: Path) -> None:
    """Its log never came up: the journal is made; nothing is, where nothing waits."""
    path = tmp_path / "new.jsonl"
    event_log.settle(path, stage.bus)
    assert not path.exists()
    stage.bus.publish(Happened(1))
    event_log.settle(path, stage.bus)
    assert [json.loads(line)["seq"] for line in path.read_bytes().splitlines()] == [1]


def test_what_cannot_be_written_at_the_end_of_a_root_is_said_to_be_lost(
    said: list[MutableMapping[str, Any]], stage: Stage, log: Log
) -> None:
    """The end goes on; the log says how many events that were."""
    log.kill()
    log.publish(1, 2)
    with faults.inject("file.written", FULL, where={"path": "*events.jsonl"}):
        event_log.settle(log.path, stage.bus)
    lost = [line for line in said if line["event"] == "events are lost"]
    assert [(line["events"], line["journal"]) for line in lost] == [(2, str(log.path))]


def test_a_generation_that_has_ended_holds_no_events(stage: Stage, log: Log) -> None:
    """Its successor has them; it may lie about as garbage for as long as none is collected."""
    log.publish(1, 2)
    stage.bus.call(EVENTS_ACTOR, Mark(b""))
    ended = log.actor
    assert len(ended._lines) == 2
    log.restart()
    assert len(stage.bus.call(EVENTS_ACTOR, Since(1)).lines) == 2
    assert len(ended._lines) == 0
