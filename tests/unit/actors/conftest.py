"""Fixtures of the actors' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unit.actors.harness import Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A bus to run actors on."""
    with staged() as made:
        yield made
