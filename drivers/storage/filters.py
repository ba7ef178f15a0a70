"""Which pools a caller asks for, and which pool or volume: pure functions over what is published."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from embervirt.drivers.storage.tables import PoolRow

INACTIVE, ACTIVE, PERSISTENT, TRANSIENT, AUTOSTART, NO_AUTOSTART = 1, 2, 4, 8, 16, 32
"""virConnectListAllStoragePoolsFlags, in three pairs of opposites; then a bit for each kind."""

KINDS = (
    "dir", "fs", "netfs", "logical", "disk", "iscsi", "scsi", "mpath", "rbd", "sheepdog", "gluster", "zfs",
    "vstorage", "iscsi-direct",
)  # fmt: skip
KIND_BITS = {kind: 64 << place for place, kind in enumerate(KINDS)}
ANY_KIND = sum(KIND_BITS.values())
ALL = ANY_KIND | 63

PAIRS: tuple[tuple[int, int, Callable[[PoolRow], bool]], ...] = (
    (ACTIVE, INACTIVE, lambda row: row.active),
    (PERSISTENT, TRANSIENT, lambda row: row.persistent),
    (AUTOSTART, NO_AUTOSTART, lambda row: row.autostart),
)


def matches(row: PoolRow, flags: int) -> bool:
    """Whether ``flags`` ask for this one: of each group any that is set; a group without asks nothing."""
    kind = not flags & ANY_KIND or bool(flags & KIND_BITS.get(row.pool.type, 0))
    return kind and all(
        not flags & (yes | no) or bool(flags & (yes if has(row) else no)) for yes, no, has in PAIRS
    )


def select(rows: Iterable[PoolRow], flags: int) -> list[PoolRow]:
    """Those that match ``virConnectListAllStoragePoolsFlags``, by name."""
    return sorted((row for row in rows if matches(row, flags)), key=lambda row: row.name)
