"""What a root does once in a boot of its host: whether it is done, by us or by libvirt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embervirt.drivers.root import once
from embervirt.supervisor.identity import boot_id


@pytest.mark.parametrize(
    ("text", "age", "done"),
    [
        (f"{boot_id()}\n", 0, True),
        (f"{boot_id()}\n", 10**9, True),
        ("00000000-0000-4000-8000-000000000000\n", 0, False),
        ("", 0, True),
        ("", 10**9, False),
    ],
)
def test_a_stamp_counts_in_its_own_boot(tmp_path: Path, text: str, age: int, done: bool) -> None:
    """Ours says which; libvirt's is empty, and counts when it is younger than the boot."""
    stamp = tmp_path / "autostarted"
    stamp.write_text(text)
    at = stamp.stat().st_mtime - age
    os.utime(stamp, (at, at))
    assert once.done(stamp) is done


def test_without_a_stamp_nothing_was_started(tmp_path: Path) -> None:
    """The first opening after the host's start."""
    assert once.done(tmp_path / "autostarted") is False


def test_what_is_marked_is_done(tmp_path: Path) -> None:
    """Until the host boots again."""
    stamp = tmp_path / "autostarted"
    once.mark(stamp)
    assert once.done(stamp) is True
