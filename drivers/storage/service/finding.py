"""A volume as a guest's disk names it: by its pool's name and its own."""

from __future__ import annotations

from embervirt.drivers.storage.errors import NoStoragePool, NoStorageVolume, StorageUnsupported
from embervirt.drivers.storage.messages import FoundVolume
from embervirt.drivers.storage.tables import Tables

VIR_FROM_DOMAIN = 20
"""Of the part of libvirt that says that a pool is not active."""


def volume(tables: Tables, pool: str, name: str) -> FoundVolume:
    """Raises NoStoragePool, NoStorageVolume, StorageUnsupported for a pool that is not active."""
    row = next((each for each in tables.pools.values() if each.name == pool), None)
    if row is None:
        raise NoStoragePool(f"no storage pool with matching name '{pool}'")
    if not row.active:
        raise not_active(pool, name)
    found = (tables.volumes.get(row.uuid) or {}).get(name)
    if found is None:
        raise NoStorageVolume(f"no storage vol with matching name '{name}'")
    source = row.pool.source
    host = source.hosts[0] if source.hosts else None
    return FoundVolume(
        row.pool.type,
        found.kind,
        found.path,
        host=(host.name if host else None) or "",
        port=(host.port if host else None) or 0,
        target=(source.devices[0].path if source.devices else None) or "",
        with_auth=source.auth is not None,
    )


def not_active(pool: str, name: str) -> StorageUnsupported:
    """The error for a volume of a pool that is not."""
    text = f"storage pool '{pool}' containing volume '{name}' is not active"
    return StorageUnsupported(text, virdomain=VIR_FROM_DOMAIN)
