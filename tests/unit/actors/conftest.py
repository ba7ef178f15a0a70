"""Fixtures of the actors' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from embervirt.actors.subscription import Subscription
from unit.actors.event_log import Log
from unit.actors.harness import Stage, staged
from unit.actors.outside import Outside, Peer, gatekept


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A bus to run actors on."""
    with staged() as made:
        yield made


@pytest.fixture
def log(stage: Stage, tmp_path: Path) -> Log:
    """A log with an empty journal."""
    return Log(stage, tmp_path / "events.jsonl")


@pytest.fixture
def heard(stage: Stage, log: Log) -> Iterator[Subscription]:
    """A subscriber from the first event on."""
    with Subscription(stage.bus) as subscription:
        yield subscription


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    """A gateway with a server behind it."""
    with gatekept(tmp_path) as made:
        yield made


@pytest.fixture
def peer(outside: Outside) -> Peer:
    """One that is connected."""
    return outside.peer()
