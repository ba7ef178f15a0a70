"""A root with the QEMU driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from embervirt.libvirt.connect import virConnect
from guest.domain import SECONDS, opened


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds a guest again has its answers before anything else, however slow the machine is."""
    monkeypatch.setattr("embervirt.drivers.qemu.actor.guest.ADOPTION", SECONDS)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[virConnect]:
    """A root of its own; whatever runs in the end is killed."""
    with opened(tmp_path / "root") as made:
        yield made
