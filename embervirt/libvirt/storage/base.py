"""What a connection offers the handles of storage: rows out of the tables, calls, and jobs."""

from __future__ import annotations

from typing import TypeVar

from embervirt.actors.messages import Request
from embervirt.drivers.storage.errors import NoStorageVolume
from embervirt.drivers.storage.face import Face
from embervirt.drivers.storage.states import check, no_pool
from embervirt.drivers.storage.tables import PoolRow, VolumeRow
from embervirt.libvirt.connection import Connection

R = TypeVar("R")
VOLUME = 1
"""VIR_SECRET_USAGE_TYPE_VOLUME."""


class StorageConnection(Connection):
    """The ground of the part of ``virConnect`` that concerns storage."""

    @property
    def _storage(self) -> Face:
        face: Face = self._face("storage")
        return face

    def _pool_row(self, uuid: str) -> PoolRow:
        """Raises NoStoragePool."""
        row = self._storage.tables.pools.get(uuid)
        if row is None:
            raise no_pool(uuid)
        return row

    def _active_row(self, uuid: str) -> PoolRow:
        """Raises NoStoragePool, StorageInvalid."""
        row = self._pool_row(uuid)
        check(row, "volumes")
        return row

    def _volume_rows(self, uuid: str) -> list[VolumeRow]:
        """All of an active pool, by name."""
        self._active_row(uuid)
        rows = self._storage.tables.volumes.get(uuid) or {}
        return sorted(rows.values(), key=lambda row: row.name)

    def _volume_row(self, uuid: str, name: str) -> VolumeRow:
        """Raises NoStoragePool, StorageInvalid, NoStorageVolume."""
        self._active_row(uuid)
        row = (self._storage.tables.volumes.get(uuid) or {}).get(name)
        if row is None:
            raise NoStorageVolume(f"no storage vol with matching name '{name}'")
        return row

    def _usages(self) -> list[str]:
        """Of the secrets for volumes: the path of one, each."""
        part = self.root.part("secret")
        rows = () if part.elsewhere else part.face.rows.values()
        return [row.usage_id for row in rows if row.usage_type == VOLUME]

    def _do(self, call: str, request: Request[R]) -> R:
        """Ask the driver; Ctrl-C cancels what takes long."""
        self._check_writable(call)
        self._storage  # noqa: B018 - raises for a connection that is closed, or has no storage
        root = self.root
        trace = root.bus.new_trace()
        try:
            return root.bus.call("storage", request, trace=trace)
        except KeyboardInterrupt:
            self._give_up(root.bus.operation(trace))
            raise

    def _give_up(self, operation: str) -> None:
        """Cancel it, unless it is over by now; also one that the driver has yet to begin."""
        known = self.root.journal.find(operation)
        if known is None or known.state == "open":
            self.root.journal.forestall(operation)
