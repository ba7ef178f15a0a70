"""What events tell together: each guest's story is legal, a snapshot and what follows is the truth."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.bus import EVENTS_ACTOR, Bus
from embervirt.actors.event_log import EventLog, Mark
from embervirt.actors.messages import Event, Numbered, Request
from embervirt.actors.subscription import Subscription
from embervirt.actors.table import Table
from embervirt.errors import NotStarted, OutcomeUnknown
from unit.actors.harness import PATIENCE, Reports, Stage

LEGAL = {("", "defined"), ("defined", "started"), ("started", "stopped"), ("stopped", "started")}
"""From state to state of a guest."""


class Became(Event, frozen=True):
    """A guest is in another state."""

    guest: str
    state: str


class Live(Request[str], frozen=True):
    """Start the guest if it is stopped, stop it if it is started; replies its state then."""


class Guest(Actor):
    """Publishes its record before the event, and goes on where its predecessor's record is."""

    def __init__(self, context: Context, table: Table[str, str]) -> None:
        super().__init__(context)
        self.table = table

    def setup(self) -> None:
        """Only a guest that nobody knew is defined anew."""
        if self.table.get(self.context.name) is None:
            self.become("defined")

    def become(self, state: str) -> str:
        """The record and the event are one step: nobody sees, and no death leaves, one without the other."""
        with self.context.fence.guard():
            self.table.rows[self.context.name] = state
            self.bus.publish(Became(self.context.name, state))
        return state

    @handles(Live)
    def live(self, _: Live) -> str:
        """One half of a life."""
        return self.become("stopped" if self.table.get(self.context.name) == "started" else "started")


class Scene:
    """A log and guests, each killed and started again at will."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.stage, self.path = stage, path
        self.table: Table[str, str] = Table()
        self.up: dict[str, tuple[Actor, Reports, int]] = {}

    def start(self, name: str, generation: int = 1) -> None:
        """This generation, up."""
        reports = Reports()
        context = Context(name, generation, self.stage.bus, reports)
        made = EventLog(context, self.path, 100_000) if name == EVENTS_ACTOR else Guest(context, self.table)
        self.stage.launch(made, reports)
        assert reports.is_ready.wait(PATIENCE)
        self.up[name] = made, reports, generation

    def kill(self, name: str) -> None:
        """And its successor."""
        actor, reports, generation = self.up[name]
        actor.post(RuntimeError("killed"))
        reports.exit()
        self.start(name, generation + 1)


@pytest.fixture
def scene(stage: Stage, tmp_path: Path) -> Scene:
    """With a log."""
    made = Scene(stage, tmp_path / "events.jsonl")
    made.start(EVENTS_ACTOR)
    return made


def live(bus: Bus, guest: str, lives: int) -> None:
    """So many whole lives, whoever dies meanwhile."""
    for _ in range(2 * lives):
        with suppress(NotStarted, OutcomeUnknown):
            bus.call(guest, Live())


def test_m01_a_thousand_lives_with_deaths_at_random_are_told_without_gap(scene: Scene) -> None:
    """Numbers without gap over all; of each guest nothing but legal steps, though its actor was killed."""
    random, guests = Random(7), [f"guest/{n}" for n in range(5)]
    for guest in guests:
        scene.start(guest)
    with Subscription(scene.stage.bus, since=0) as heard:
        threads = [threading.Thread(target=live, args=(scene.stage.bus, each, 200)) for each in guests]
        for thread in threads:
            thread.start()
        for _ in range(40):
            scene.kill(random.choice([*guests, EVENTS_ACTOR]))
        for thread in threads:
            thread.join()
        last = scene.stage.bus.call(EVENTS_ACTOR, Mark(b""))
        told = [heard.get(PATIENCE) for _ in range(last)]
    assert [each.seq for each in told if isinstance(each, Numbered)] == list(range(1, last + 1))
    stories: dict[str, list[str]] = defaultdict(lambda: [""])
    for each in told:
        event = each.event() if isinstance(each, Numbered) else None
        assert isinstance(event, Became)
        stories[event.guest].append(event.state)
    assert sorted(stories) == guests
    for story in stories.values():
        assert set(pairwise(story)) <= LEGAL
    assert last > 1500


def test_m02_a_snapshot_and_the_events_after_it_are_the_truth(scene: Scene) -> None:
    """Whenever one joins: what it saw in the tables, changed by what it heard afterwards, is what is."""
    random, guests = Random(3), [f"guest/{n}" for n in range(2)]
    for guest in guests:
        scene.start(guest)
    over = threading.Event()

    def storm(guest: str) -> None:
        while not over.is_set():
            live(scene.stage.bus, guest, 1)
            scene.stage.bus.call(EVENTS_ACTOR, Mark(b""))  # no faster than they are numbered

    threads = [threading.Thread(target=storm, args=(each,)) for each in guests]
    for thread in threads:
        thread.start()
    joined = []
    for _ in range(6):
        for _ in range(random.randrange(20)):
            scene.stage.bus.call(EVENTS_ACTOR, Mark(b""))
        subscription = Subscription(scene.stage.bus)
        joined.append((subscription, dict(scene.table.rows)))
    over.set()
    for thread in threads:
        thread.join()
    last = scene.stage.bus.call(EVENTS_ACTOR, Mark(b""))
    for subscription, state in joined:
        with subscription:
            while subscription.seq < last or subscription._ready:
                got = subscription.get(PATIENCE)
                event = got.event() if isinstance(got, Numbered) else None
                assert isinstance(event, Became)
                state[event.guest] = event.state
        assert state == scene.table.rows
