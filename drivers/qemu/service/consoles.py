"""The log of a guest's console: a file for each run, of which the last few are kept."""

from __future__ import annotations

from pathlib import Path

from embervirt import disk
from embervirt.drivers.root.files import explained

KEPT = 4
"""Earlier runs whose logs are kept: ``NAME.console.1`` is that of the last one."""


def begin(path: Path) -> None:
    """A run's own log begins empty; those before it move on by a number. Raises SystemError_."""
    names = [path, *(path.with_suffix(f"{path.suffix}.{number}") for number in range(1, KEPT + 1))]
    for older, newer in reversed(list(zip(names[1:], names[:-1], strict=True))):
        if newer.exists():
            with explained("rename", newer):
                disk.rename(newer, older)
