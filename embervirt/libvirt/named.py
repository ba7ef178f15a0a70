"""What handles on objects with a UUID have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embervirt.libvirt.identifiers import uuid_bytes
from embervirt.libvirt.reporting import Told

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect


class Identified(Told):
    """Of whatever has a UUID."""

    _uuid: str

    def UUID(self) -> bytes:
        """16 bytes."""
        return uuid_bytes(self._uuid)

    def UUIDString(self) -> str:
        """Canonical text."""
        return self._uuid


class Named(Identified):
    """Of what has a name too. ``_conn`` is a part of the connection that it was looked up on."""

    _conn: Any
    _name: str

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name} {self._uuid}>"

    def connect(self) -> virConnect:
        """The connection it was looked up on."""
        conn: virConnect = self._conn
        return conn

    def name(self) -> str:
        """Its name."""
        return self._name
