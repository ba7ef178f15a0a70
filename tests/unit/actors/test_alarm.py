"""The alarm of an inbox: a task at a time, between messages."""

from __future__ import annotations

import math
import time
from queue import SimpleQueue

from unit.actors.harness import PATIENCE, Echo, Note, Stage


def test_an_alarm_rings_once_at_its_time(stage: Stage) -> None:
    """Not before; messages are handled meanwhile and after."""
    server, _ = stage.start()
    rung: SimpleQueue[float] = SimpleQueue()
    due = time.monotonic() + 0.05
    server.post(lambda: server.inbox.alarm(due, lambda: rung.put(time.monotonic())))
    assert stage.bus.call("server", Echo("meanwhile")) == "meanwhile"
    assert rung.get(timeout=PATIENCE) >= due
    assert stage.bus.call("server", Echo("after")) == "after"
    assert rung.empty()


def test_a_later_alarm_replaces_the_one_before(stage: Stage) -> None:
    """There is one at a time."""
    server, _ = stage.start()
    rung: SimpleQueue[str] = SimpleQueue()

    def arrange() -> None:
        server.inbox.alarm(0.0, lambda: rung.put("first"))
        server.inbox.alarm(time.monotonic() + 0.02, lambda: rung.put("second"))

    server.post(arrange)
    assert rung.get(timeout=PATIENCE) == "second"
    assert rung.empty()


def test_an_alarm_can_be_taken_back(stage: Stage) -> None:
    """By one for never."""
    server, _ = stage.start()
    rung: SimpleQueue[str] = SimpleQueue()

    def arrange() -> None:
        server.inbox.alarm(0.0, lambda: rung.put("rung"))
        server.inbox.alarm(math.inf, lambda: rung.put("never"))

    server.post(arrange)
    assert stage.bus.call("server", Echo("after")) == "after"
    assert rung.empty()


def test_an_alarm_goes_before_mail(stage: Stage) -> None:
    """However much of that there is."""
    server, _ = stage.start()
    order = stage.world.notes

    def arrange() -> None:
        for n in range(10):
            stage.bus.tell("server", Note(str(n)))
        server.inbox.alarm(0.0, lambda: order.put("alarm"))

    server.post(arrange)
    assert [order.get(timeout=PATIENCE) for _ in range(11)] == ["alarm", *map(str, range(10))]
