"""When a pool takes which request: a table, and libvirt's words for a refusal."""

from __future__ import annotations

from embervirt.drivers.storage.errors import NoStoragePool, StorageInternal, StorageInvalid
from embervirt.drivers.storage.tables import PoolRow

ACTIVE, INACTIVE, EITHER = "active", "inactive", "either"

WANTS = {
    "undefine": INACTIVE,
    "start": INACTIVE,
    "build": INACTIVE,
    "delete": INACTIVE,
    "stop": ACTIVE,
    "refresh": ACTIVE,
    "volumes": ACTIVE,
    "autostart": EITHER,
}
"""By request; ``volumes`` are those to look them up, to list and to change them."""

ALONE = ("undefine", "start", "stop", "build", "delete", "refresh")
"""Those that no job of the pool may be under way for."""


def check(row: PoolRow, request: str, jobs: int = 0) -> None:
    """Raises StorageInvalid when the pool is in another state, StorageInternal while it has jobs."""
    wants = WANTS[request]
    if wants == ACTIVE and not row.active:
        raise StorageInvalid(f"storage pool '{row.name}' is not active")
    if wants == INACTIVE and row.active:
        how = "already" if request in ("start", "build") else "still"
        raise StorageInvalid(f"storage pool '{row.name}' is {how} active")
    if request == "autostart" and not row.persistent:
        raise StorageInternal("pool has no config file")
    if jobs and request in ALONE:
        raise StorageInternal(f"pool '{row.name}' has asynchronous jobs running.")


def no_pool(uuid: str) -> NoStoragePool:
    """The error for a UUID that nobody has."""
    return NoStoragePool(f"no storage pool with matching uuid '{uuid}'")
