"""A root with the QEMU driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import kill, qemus, uri


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A root of its own; whatever runs in the end is killed."""
    with libvirt.open(uri(tmp_path / "root")) as made:
        yield made
    for pid in qemus(tmp_path):
        kill(pid)
