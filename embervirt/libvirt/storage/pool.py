"""``virStoragePool``: a handle on one pool by UUID."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.storage import messages
from embervirt.drivers.storage.errors import InvalidVolume
from embervirt.drivers.storage.service.making import PREALLOC_METADATA, REFLINK, VALIDATE
from embervirt.drivers.storage.service.pools import exclusive
from embervirt.drivers.storage.tables import PoolRow, VolumeRow
from embervirt.libvirt.flags import only
from embervirt.libvirt.named import Named
from embervirt.libvirt.storage.base import StorageConnection
from embervirt.libvirt.storage.volume import virStorageVol
from embervirt.libvirt.unbuilt import POOL, unbuilt

RUNNING, INACTIVE = 2, 0
"""virStoragePoolState."""


class virStoragePool(Named):
    """Made by look-ups and by defining; any thread may use it."""

    _conn: StorageConnection

    def __init__(self, conn: StorageConnection, uuid: str, name: str) -> None:
        self._conn, self._uuid, self._name = conn, uuid, name

    @property
    def _row(self) -> PoolRow:
        return self._conn._pool_row(self._uuid)

    def XMLDesc(self, flags: int = 0) -> str:
        """As it is; with INACTIVE (1) what its next start begins with."""
        only(flags, 1, "XMLDesc")
        return self._conn._storage.pool_xml(self._row, inactive=bool(flags & 1))

    def info(self) -> list[int]:
        """``[state, capacity, allocation, available]``: virStoragePoolState, and bytes."""
        row = self._row
        state = RUNNING if row.active else INACTIVE
        return [state, row.space.capacity, row.space.allocation, row.space.available]

    def isActive(self) -> int:
        """1 or 0."""
        return int(self._row.active)

    def isPersistent(self) -> int:
        """1 when it is defined."""
        return int(self._row.persistent)

    def autostart(self) -> int:
        """1 when it starts with the driver."""
        return int(self._row.autostart)

    def setAutostart(self, autostart: int) -> int:
        """Durable when this returns."""
        self._conn._do("virStoragePoolSetAutostart", messages.SetAutostart(self._uuid, bool(autostart)))
        return 0

    def create(self, flags: int = 0) -> int:
        """Start it; ``flags``: virStoragePoolCreateFlags."""
        only(flags, 7, "create")
        exclusive(flags, 2, 4)
        self._conn._do("virStoragePoolCreate", messages.Start(self._uuid, flags))
        return 0

    def build(self, flags: int = 0) -> int:
        """Make what it lies on; ``flags``: virStoragePoolBuildFlags, of those OVERWRITE and NO_OVERWRITE."""
        only(flags, 12, "build")
        exclusive(flags, 4, 8)
        self._conn._do("virStoragePoolBuild", messages.Build(self._uuid, flags))
        return 0

    def destroy(self) -> int:
        """Stop it; what is in it stays."""
        self._conn._do("virStoragePoolDestroy", messages.Stop(self._uuid))
        return 0

    def delete(self, flags: int = 0) -> int:
        """Remove what it lies on, which must be empty; its definition stays."""
        only(flags, 0, "delete")
        self._conn._do("virStoragePoolDelete", messages.Delete(self._uuid))
        return 0

    def refresh(self, flags: int = 0) -> int:
        """Look again which volumes there are."""
        only(flags, 0, "refresh")
        self._conn._do("virStoragePoolRefresh", messages.Refresh(self._uuid))
        return 0

    def undefine(self) -> int:
        """Forget its definition; what is in it stays."""
        self._conn._do("virStoragePoolUndefine", messages.Undefine(self._uuid))
        return 0

    # Volumes.

    def numOfVolumes(self) -> int:
        """How many it has."""
        return len(self._conn._volume_rows(self._uuid))

    def listVolumes(self) -> list[str]:
        """Their names."""
        return [row.name for row in self._conn._volume_rows(self._uuid)]

    def listAllVolumes(self, flags: int = 0) -> list[virStorageVol]:
        """All it has."""
        only(flags, 0, "listAllVolumes")
        return [self._volume(row) for row in self._conn._volume_rows(self._uuid)]

    def storageVolLookupByName(self, name: str) -> virStorageVol:
        """Raises NoStorageVolume."""
        return self._volume(self._conn._volume_row(self._uuid, name))

    def createXML(self, xmlDesc: str, flags: int = 0) -> virStorageVol:
        """A new volume; ``flags``: PREALLOC_METADATA (1), VALIDATE (4)."""
        only(flags, PREALLOC_METADATA | VALIDATE, "createXML")
        return self._create("virStorageVolCreateXML", xmlDesc, flags, None)

    def createXMLFrom(self, xmlDesc: str, clonevol: virStorageVol, flags: int = 0) -> virStorageVol:
        """A copy of ``clonevol``, in the format that the XML says; REFLINK (2): sharing its data."""
        only(flags, PREALLOC_METADATA | REFLINK | VALIDATE, "createXMLFrom")
        self._conn._check_open()
        if not isinstance(clonevol, virStorageVol):
            raise InvalidVolume(f"virStorageVolCreateXMLFrom: it is {clonevol!r}")
        return self._create("virStorageVolCreateXMLFrom", xmlDesc, flags, clonevol)

    def _create(self, call: str, xml: str, flags: int, source: virStorageVol | None) -> virStorageVol:
        conn = self._conn
        conn._check_writable(call)
        row = conn._active_row(self._uuid)
        strict, clone = bool(flags & VALIDATE), source is not None
        _, text = conn._storage.read_volume(xml, row.pool, strict=strict, clone=clone)
        of = None if source is None else source._key_of_row
        made = conn._do(call, messages.CreateVolume(self._uuid, text, flags, of))
        return virStorageVol(conn, self._uuid, self._name, made.name, made.key)

    def _volume(self, row: VolumeRow) -> virStorageVol:
        return virStorageVol(self._conn, self._uuid, self._name, row.name, row.key)

    if not TYPE_CHECKING:  # a type checker is to see what there is

        def __getattr__(self, name):
            return unbuilt(name, POOL, self)
