"""Finds the installed drivers, and says what is there when one is missing."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from embervirt.drivers.driver import Driver
from embervirt.errors import NoConnect

GROUP = "embervirt.drivers"
ORDER = ("secret", "storage", "network", "qemu")
"""Fixed places in the tree; other packages' drivers come after them, in order of use."""


@cache
def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def refresh() -> None:
    """Look again, after a package was installed while the program runs."""
    _entry_points.cache_clear()


def installed() -> list[str]:
    """Names of all drivers that can be opened."""
    return sorted(_entry_points())


def find(name: str) -> Driver:
    """The driver of that name. Raises NoConnect, naming those that are there."""
    point = _entry_points().get(name)
    if point is None:
        raise NoConnect(f"driver {name!r} is not built; built are: {', '.join(installed())}")
    driver: Driver = point.load()
    return driver


def after(name: str) -> frozenset[str]:
    """Those whose place in the tree is behind ``name``."""
    return frozenset(ORDER[ORDER.index(name) + 1 :]) if name in ORDER else frozenset()
