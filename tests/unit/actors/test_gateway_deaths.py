"""Deaths and hangs, of the gateway and behind it: each call is still answered exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.actors.outside import Outside, Peer, gatekept


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    """A gateway with a server behind it."""
    with gatekept(tmp_path) as made:
        yield made


@pytest.fixture
def peer(outside: Outside) -> Peer:
    """One that is connected."""
    return outside.peer()


