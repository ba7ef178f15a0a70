"""The events actor of a stage, and what a subscriber heard of it."""

from __future__ import annotations

import json
from pathlib import Path

from embervirt.actors.actor import Context
from embervirt.actors.bus import EVENTS_ACTOR
from embervirt.actors.event_log import EventLog
from embervirt.actors.messages import Numbered
from embervirt.actors.subscription import Overflow, Subscription
from unit.actors.harness import PATIENCE, Happened, Reports, Stage

Seen = list[int | tuple[int, int]]


class Log:
    """The events actor of a stage, generation after generation."""

    def __init__(self, stage: Stage, path: Path, keep: int = 1000) -> None:
        self.stage, self.path, self.keep = stage, path, keep
        self.generation = 0
        self.start()

    def start(self) -> None:
        """The next generation, up."""
        self.generation += 1
        self.reports = Reports()
        self.actor = EventLog(
            Context(EVENTS_ACTOR, self.generation, self.stage.bus, self.reports), self.path, self.keep
        )
        self.stage.launch(self.actor, self.reports)
        assert self.reports.is_ready.wait(PATIENCE)

    def kill(self) -> None:
        """After the message in hand."""
        self.actor.post(RuntimeError("killed"))
        self.reports.exit()

    def restart(self) -> None:
        """A crash and its successor."""
        self.kill()
        self.start()

    def publish(self, *numbers: int) -> None:
        """Events with these payloads."""
        for n in numbers:
            self.stage.bus.publish(Happened(n))

    def written(self) -> list[int]:
        """Numbers in the journal."""
        return [json.loads(line)["seq"] for line in self.path.read_bytes().splitlines()]


def payloads(subscription: Subscription, count: int) -> Seen:
    """The next so many: payloads, and the two ends of an overflow."""
    seen: Seen = []
    for _ in range(count):
        got = subscription.get(PATIENCE)
        assert got is not None
        seen.append(payload(got))
    return seen


def payload(got: Numbered | Overflow) -> int | tuple[int, int]:
    """What a test compares."""
    if isinstance(got, Overflow):
        return got.first, got.last
    event = got.event()
    assert isinstance(event, Happened)
    return event.n
