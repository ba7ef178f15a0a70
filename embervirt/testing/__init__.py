"""A fake QEMU for tests of programs that use embervirt: a process that speaks QMP, and misbehaves on demand.

    from embervirt.testing import FakeQemu, exits, waits

    fake = FakeQemu(tmp_path / "fake")
    fake.on("cont", exits(1), after=2)      # the third cont that a process gets ends it
    fake.on("stop", waits(2.0), guest="a")  # to suspend guest a takes two seconds
    embervirt.open(uri, settings={"qemu.emulator": str(fake.emulator)})

``actions`` has all that it can be told to do, ``plugin`` the fixtures for pytest. The names are loaded on
first use, for the fake QEMU itself imports this package and is to start fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embervirt.testing.actions import (
        Action,
        answers,
        closes_monitor,
        dies,
        disconnects,
        disk_fails,
        emits,
        executes,
        exits,
        garbage,
        guest_panics,
        guest_resets,
        guest_shuts_down,
        hangs,
        huge,
        ignores,
        prints,
        refuses,
        returns,
        silent,
        twice,
        waits,
        without_id,
        wrong_id,
    )
    from embervirt.testing.fake import Entry, FakeQemu
    from embervirt.testing.script import PROBE

__all__ = [
    "PROBE",
    "Action",
    "Entry",
    "FakeQemu",
    "answers",
    "closes_monitor",
    "dies",
    "disconnects",
    "disk_fails",
    "emits",
    "executes",
    "exits",
    "garbage",
    "guest_panics",
    "guest_resets",
    "guest_shuts_down",
    "hangs",
    "huge",
    "ignores",
    "prints",
    "refuses",
    "returns",
    "silent",
    "twice",
    "waits",
    "without_id",
    "wrong_id",
]

_HOMES = {"PROBE": "script", "Entry": "fake", "FakeQemu": "fake"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'actions')}"), name)
    globals()[name] = value
    return value
