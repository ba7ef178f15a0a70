"""What every part of ``virDomain`` stands on: its rows in the tables, and calls to its actors."""

from __future__ import annotations

from typing import TypeVar

from embervirt.actors.messages import Request
from embervirt.drivers.qemu.errors import DomainNotRunning, NoDomain
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.tables import Definition, Running
from embervirt.errors import ActorUnavailable, Quarantined
from embervirt.libvirt.connection import Connection
from embervirt.libvirt.named import Named

R = TypeVar("R")


class Handle(Named):
    """Base of the mixins that ``virDomain`` consists of."""

    _conn: Connection

    def __init__(self, conn: Connection, face: Face, name: str, uuid: str) -> None:
        self._conn, self._face, self._name, self._uuid = conn, face, name, uuid

    def _running(self) -> Running | None:
        self._face.check_open()
        return self._face.tables.running.rows.get(self._uuid)

    def _definition(self) -> Definition | None:
        return self._face.tables.definitions.rows.get(self._uuid)

    def _gone(self) -> NoDomain:
        return NoDomain(f"no domain with matching uuid '{self._uuid}' ({self._name})")

    def _known(self) -> Running | Definition:
        row = self._running() or self._definition()
        if row is None:
            raise self._gone()
        return row

    def _call(self, request: Request[R]) -> R:
        """A change, to the guest's actor."""
        self._conn._check_writable(type(request).__name__)
        return self._to_guest(request)

    def _to_guest(self, request: Request[R]) -> R:
        """To the guest's actor; a guest that ended meanwhile is one that does not run."""
        row = self._running()
        if row is None:
            self._known()
            raise DomainNotRunning("domain is not running")
        try:
            return self._face.bus.call(row.actor, request)
        except Quarantined:
            raise
        except ActorUnavailable as error:
            if self._running() is None:
                raise DomainNotRunning("domain is not running") from error
            raise
