"""Fixtures of the supervisor's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from unit.supervisor.real import Root


@pytest.fixture
def root() -> Iterator[Root]:
    """To be opened by the test."""
    made = Root()
    with structlog.testing.capture_logs():
        yield made
        made.close()
