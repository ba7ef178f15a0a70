"""The command line on a root of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from guest.domain import kill
from integration.cli.harness import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """The command line with an empty root; what is left running is destroyed."""
    made = Cli(tmp_path)
    yield made
    for process in made.qemus():
        kill(process.pid)
