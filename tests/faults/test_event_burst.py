"""A hundred thousand events at once: nobody waits for them, and nobody is left in the dark."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embervirt.actors.actor import Context
from embervirt.actors.bus import EVENTS_ACTOR, Bus
from embervirt.actors.event_log import EventLog, Mark
from embervirt.actors.messages import Numbered
from embervirt.actors.subscription import Overflow, Subscription
from unit.actors.harness import PATIENCE, Count, Happened, Reports, Stage, staged


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """With a server and a log."""
    with staged() as made:
        reports = Reports()
        context = Context(EVENTS_ACTOR, 1, made.bus, reports)
        made.launch(EventLog(context, tmp_path / "events.jsonl", 1000), reports)
        assert reports.is_ready.wait(PATIENCE)
        made.start()
        yield made


def publish(bus: Bus, count: int) -> None:
    """So many events, as fast as can be."""
    for n in range(count):
        bus.publish(Happened(n))


def test_m05_a_burst_of_a_hundred_thousand_events_delays_no_reply(stage: Stage) -> None:
    """Calls are answered within two seconds; a subscriber that slept is told what it lost, to the last."""
    bus = stage.bus
    took = []
    with Subscription(bus, queue=100) as asleep:
        burst = threading.Thread(target=publish, args=(bus, 100_000))
        burst.start()
        while burst.is_alive():
            began = time.monotonic()
            bus.call("server", Count(), deadline=began + 2)
            took.append(time.monotonic() - began)
        burst.join()
        last = bus.call(EVENTS_ACTOR, Mark(b""), deadline=time.monotonic() + 60)
        assert last == 100_000
        seen, lost = 0, 0
        while seen + lost < last:
            got = asleep.get(PATIENCE)
            assert got is not None
            lost += got.last - got.first + 1 if isinstance(got, Overflow) else 0
            seen += isinstance(got, Numbered)
    assert seen + lost == last
    assert len(took) > 10 and max(took) < 2
