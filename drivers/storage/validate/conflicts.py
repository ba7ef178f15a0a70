"""A pool beside those that are there: one name, one UUID, one source each."""

from __future__ import annotations

from collections.abc import Iterable

from embervirt.drivers.storage.errors import StorageConflict, StorageInvalid
from embervirt.drivers.storage.model import Pool
from embervirt.drivers.storage.tables import PoolRow
from embervirt.drivers.storage.validate.source import ON_DEVICES


def check_conflicts(pool: Pool, rows: Iterable[PoolRow], *, start: bool) -> None:
    """``start``: it is to be active at once. Raises StorageConflict, StorageInvalid."""
    for row in rows:
        if row.uuid == pool.uuid:
            if row.name != pool.name:
                raise StorageConflict(f"pool '{row.name}' is already defined with uuid {row.uuid}")
            if start and row.active:
                raise StorageInvalid(f"pool is already active as '{row.name}'")
        elif row.name == pool.name:
            raise StorageConflict(f"pool '{row.name}' already exists with uuid {row.uuid}")
        elif same_source(pool, row.pool):
            raise StorageConflict(f"Storage source conflict with pool: '{row.name}'")


def same_source(one: Pool, other: Pool) -> bool:
    """Whether both lie on the same: a directory, an export, a device, a volume group.

    Facts: what libvirt 9 refuses to define, and two pools of one volume group, which it does not.
    """
    mine, theirs = ({each.path for each in pool.source.devices} for pool in (one, other))
    if one.type in ON_DEVICES and other.type in ON_DEVICES and mine & theirs:
        return True
    if one.type != other.type:
        return False
    match one.type:
        case "dir":
            return one.path == other.path
        case "netfs":
            return (one.source.hosts, one.source.dir) == (other.source.hosts, other.source.dir)
        case _:
            return bool(one.source.name) and one.source.name == other.source.name
