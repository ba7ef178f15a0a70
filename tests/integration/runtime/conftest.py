"""A directory for a root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from guest.domain import kill, qemus


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Not made yet; guests that a test leaves running are ended after it."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)
