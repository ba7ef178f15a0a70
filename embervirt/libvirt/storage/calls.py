"""The connection's storage calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from embervirt.drivers.storage import filters, messages
from embervirt.drivers.storage.errors import NoStoragePool, NoStorageVolume
from embervirt.drivers.storage.postparse import sanitized
from embervirt.drivers.storage.service.capabilities import capabilities
from embervirt.drivers.storage.service.pools import exclusive
from embervirt.drivers.storage.tables import JobRow, PoolRow, VolumeRow
from embervirt.errors import NotSupported
from embervirt.libvirt.callbacks import Registration
from embervirt.libvirt.flags import only
from embervirt.libvirt.identifiers import uuid_from_string, uuid_text
from embervirt.libvirt.storage.base import StorageConnection
from embervirt.libvirt.storage.pool import virStoragePool
from embervirt.libvirt.storage.volume import virStorageVol


class StorageCalls(StorageConnection):
    """The part of ``virConnect`` that concerns storage."""

    def _pool(self, row: PoolRow) -> virStoragePool:
        return virStoragePool(self, row.uuid, row.name)

    # Making.

    def storagePoolDefineXML(self, xml: str, flags: int = 0) -> virStoragePool:
        """Keep a definition, durably; VALIDATE (1) refuses what nobody knows."""
        only(flags, 1, "storagePoolDefineXML")
        self._check_writable("virStoragePoolDefineXML")
        uuid, text = self._storage.read_pool(xml, strict=bool(flags & 1))
        made = self._do("virStoragePoolDefineXML", messages.Define(uuid, text))
        return virStoragePool(self, made.uuid, made.name)

    def storagePoolCreateXML(self, xmlDesc: str, flags: int = 0) -> virStoragePool:
        """Start a pool that is forgotten when it is stopped; ``flags``: virStoragePoolCreateFlags."""
        only(flags, 7, "storagePoolCreateXML")
        exclusive(flags, 2, 4)
        self._check_writable("virStoragePoolCreateXML")
        uuid, text = self._storage.read_pool(xmlDesc)
        made = self._do("virStoragePoolCreateXML", messages.CreatePool(uuid, text, flags))
        return virStoragePool(self, made.uuid, made.name)

    # Finding.

    def storagePoolLookupByName(self, name: str) -> virStoragePool:
        """Raises NoStoragePool."""
        for row in self._storage.tables.pools.values():
            if row.name == name:
                return self._pool(row)
        raise NoStoragePool(f"no storage pool with matching name '{name}'")

    def storagePoolLookupByUUIDString(self, uuidstr: str) -> virStoragePool:
        """Raises InvalidArgument, NoStoragePool."""
        return self._pool(self._pool_row(uuid_from_string(uuidstr)))

    def storagePoolLookupByUUID(self, uuid: bytes) -> virStoragePool:
        """16 bytes. Raises NoStoragePool."""
        return self._pool(self._pool_row(uuid_text(uuid)))

    def storagePoolLookupByTargetPath(self, path: str) -> virStoragePool:
        """The active pool that is at ``path``. Raises NoStoragePool."""
        wanted = sanitized(path)
        for row in self._storage.tables.pools.values():
            if row.active and row.pool.path == wanted:
                return self._pool(row)
        raise NoStoragePool(f"no storage pool with matching target path '{path}'")

    def storageVolLookupByKey(self, key: str) -> virStorageVol:
        """In any active pool. Raises NoStorageVolume."""
        return self._found(lambda row: row.key == key, f"key {key}")

    def storageVolLookupByPath(self, path: str) -> virStorageVol:
        """In any active pool; links on the way to it are followed. Raises NoStorageVolume."""
        wanted = {sanitized(path)}
        if path.startswith("/"):
            wanted.add(str(Path(path).parent.resolve() / Path(path).name))
        return self._found(lambda row: row.path in wanted, f"path '{path}'")

    def _found(self, fits: Callable[[VolumeRow], bool], by: str) -> virStorageVol:
        tables = self._storage.tables
        for pool in tables.pools.values():
            for row in (tables.volumes.get(pool.uuid) or {}).values():
                if fits(row):
                    return virStorageVol(self, pool.uuid, pool.name, row.name, row.key)
        raise NoStorageVolume(f"no storage vol with matching {by}")

    # Listing.

    def listAllStoragePools(self, flags: int = 0) -> list[virStoragePool]:
        """Those that match ``virConnectListAllStoragePoolsFlags``."""
        only(flags, filters.ALL, "listAllStoragePools")
        return [self._pool(row) for row in self._storage.select(flags)]

    def listStoragePools(self) -> list[str]:
        """Names of those that are active."""
        return [row.name for row in self._storage.select(filters.ACTIVE)]

    def listDefinedStoragePools(self) -> list[str]:
        """Names of those that are not."""
        return [row.name for row in self._storage.select(filters.INACTIVE)]

    def numOfStoragePools(self) -> int:
        """How many are active."""
        return len(self.listStoragePools())

    def numOfDefinedStoragePools(self) -> int:
        """How many are not."""
        return len(self.listDefinedStoragePools())

    # What there could be.

    def findStoragePoolSources(self, type: str, srcSpec: str | None, flags: int = 0) -> str:
        """XML of what pools of that kind could be made of; ``srcSpec``: a ``<source>`` that says where."""
        only(flags, 0, "findStoragePoolSources")
        return self._do("virConnectFindStoragePoolSources", messages.FindSources(type, srcSpec or ""))

    def getStoragePoolCapabilities(self, flags: int = 0) -> str:
        """XML of the kinds of pools and their formats."""
        only(flags, 0, "getStoragePoolCapabilities")
        self._face("storage")
        return capabilities()

    def storageJobs(self) -> list[JobRow]:
        """Long work under way, which libvirt does not tell: what, with which volume, how far in bytes.

        ``root.operation(id)`` tells what became of one, ``root.cancel(id)`` ends it.
        """
        return self._storage.tables.jobs.values()

    # Events.

    def storagePoolEventRegisterAny(
        self, pool: virStoragePool | None, eventID: int, cb: Callable[..., Any], opaque: Any
    ) -> int:
        """Events of one pool or of all; answers the id for ``storagePoolEventDeregisterAny``.

        LIFECYCLE (0): ``cb(conn, pool, event, detail, opaque)``; REFRESH (1): the same without ``event`` and
        ``detail``.
        """
        uuid = None if pool is None else pool.UUIDString()

        def lifecycle(event: Any) -> None:
            if uuid in (None, event.uuid):
                cb(self, virStoragePool(self, event.uuid, event.name), event.event, event.detail, opaque)

        def refreshed(event: Any) -> None:
            if uuid in (None, event.uuid):
                cb(self, virStoragePool(self, event.uuid, event.name), opaque)

        kinds = {
            0: Registration(messages.PoolLifecycle, lifecycle),
            1: Registration(messages.PoolRefreshed, refreshed),
        }
        self._face("storage")
        if eventID not in kinds:
            raise NotSupported(f"storage pool event {eventID}; known are 0 (lifecycle) and 1 (refresh)")
        return self._register(kinds[eventID])

    def storagePoolEventDeregisterAny(self, callbackID: int) -> int:
        """Raises InvalidArgument for an id that is not registered."""
        self._deregister(callbackID)
        return 0
