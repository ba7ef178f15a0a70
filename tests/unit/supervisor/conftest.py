"""Fixtures of the supervisor's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from unit.supervisor.hanging import QUICK, Gate
from unit.supervisor.real import Root


@pytest.fixture
def root() -> Iterator[Root]:
    """To be opened by the test."""
    made = Root()
    with structlog.testing.capture_logs():
        yield made
        made.close()


@pytest.fixture
def quick(root: Root) -> Root:
    """With limits that a test can wait for."""
    root.limits = QUICK
    return root


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Open at the end at the latest."""
    made = Gate()
    yield made
    made.opened.set()
