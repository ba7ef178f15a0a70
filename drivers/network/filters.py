"""Which networks a caller asks for: pure functions over what is published."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from embervirt.drivers.network.tables import NetworkRow

INACTIVE, ACTIVE, PERSISTENT, TRANSIENT, AUTOSTART, NO_AUTOSTART = 1, 2, 4, 8, 16, 32
"""virConnectListAllNetworksFlags, in three pairs of opposites."""

ALL = 63

PAIRS: tuple[tuple[int, int, Callable[[NetworkRow], bool]], ...] = (
    (ACTIVE, INACTIVE, lambda row: row.active),
    (PERSISTENT, TRANSIENT, lambda row: row.persistent),
    (AUTOSTART, NO_AUTOSTART, lambda row: row.autostart),
)


def matches(row: NetworkRow, flags: int) -> bool:
    """Whether ``flags`` ask for this one: of each pair any that is set; a pair without asks nothing."""
    return all(not flags & (yes | no) or bool(flags & (yes if has(row) else no)) for yes, no, has in PAIRS)


def select(rows: Iterable[NetworkRow], flags: int) -> list[NetworkRow]:
    """Those that match, by name."""
    return sorted((row for row in rows if matches(row, flags)), key=lambda row: row.name)
