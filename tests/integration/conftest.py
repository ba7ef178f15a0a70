"""A root with the QEMU driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from embervirt.libvirt.connect import virConnect
from guest.domain import opened


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[virConnect]:
    """A root of its own; whatever runs in the end is killed."""
    with opened(tmp_path / "root") as made:
        yield made
