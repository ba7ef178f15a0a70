"""The actor ``storage``: pools. What takes long runs as a job, and its reply is deferred until then."""

from __future__ import annotations

from dataclasses import replace

from embervirt.actors.actor import Context, handles
from embervirt.actors.work import Work
from embervirt.drivers.storage import messages
from embervirt.drivers.storage.actor.volumes import Volumes
from embervirt.drivers.storage.backend.kinds import backend
from embervirt.drivers.storage.backend.protocol import Volumes as Rows
from embervirt.drivers.storage.face import Face
from embervirt.drivers.storage.messages import PoolLifecycle, PoolRef, PoolRefreshed
from embervirt.drivers.storage.reading import read_pool
from embervirt.drivers.storage.service.pools import looked_at, started
from embervirt.drivers.storage.states import check
from embervirt.drivers.storage.tables import PoolRow

DEFINED, UNDEFINED, STARTED, STOPPED, CREATED, DELETED = range(6)
"""virStoragePoolEventLifecycleType."""


class StorageDriver(Volumes):
    """Keeps nothing of its own: definitions are on disk, volumes are what is there."""

    def __init__(self, context: Context, face: Face) -> None:
        super().__init__(context, face)
        self._changing: set[str] = set()

    def setup(self) -> None:
        """Publish what is on disk, and what is in the pools that are active."""
        self._jobs.settle()
        self._pools.load()

    @handles(messages.Define)
    def define(self, request: messages.Define) -> PoolRef:
        """Durable when this replies."""
        row = self._pools.define(read_pool(request.xml))
        self._announce(row, DEFINED)
        return PoolRef(row.uuid, row.name)

    @handles(messages.Undefine)
    def undefine(self, request: messages.Undefine) -> None:
        """What is in it stays."""
        self._announce(self._pools.undefine(request.uuid, self._jobs.of(request.uuid)), UNDEFINED)

    @handles(messages.SetAutostart)
    def set_autostart(self, request: messages.SetAutostart) -> None:
        """Durable when this replies."""
        self._pools.set_autostart(request.uuid, request.on)

    @handles(messages.Start)
    def activate(self, request: messages.Start) -> Work[None]:
        """Active, and looked at, when this replies."""
        row = self._pools.beginning(request.uuid)
        yield from self._start(row, request.build)

    @handles(messages.CreatePool)
    def create_pool(self, request: messages.CreatePool) -> Work[PoolRef]:
        """The same, of one without a definition."""
        row = self._pools.transient(read_pool(request.xml))
        yield from self._start(row, request.build)
        return PoolRef(row.uuid, row.name)

    def _start(self, row: PoolRow, build: int) -> Work[None]:
        self._alone(row, "start")
        self._changing.add(row.uuid)
        try:
            _, end = self._jobs.begin("pool-start", row.uuid, "", lambda _: started(row, build), {})
            begun: tuple[PoolRow, Rows] = yield end
        finally:
            self._changing.discard(row.uuid)
        self._announce(self._pools.activated(*begun), STARTED)

    def _alone(self, row: PoolRow, request: str) -> None:
        """Raises StorageInternal while something of the pool is under way that this cannot go beside."""
        check(row, request, self._jobs.of(row.uuid))
        if row.uuid in self._changing:
            check(row, "undefine", 1)

    @handles(messages.Build)
    def build(self, request: messages.Build) -> Work[None]:
        """There when this replies."""
        row = self._pools.find(request.uuid)
        self._alone(row, "build")
        hands, flags = backend(row.pool), request.flags
        _, end = self._jobs.begin("pool-build", row.uuid, "", lambda _: hands.build(row.pool, flags), {})
        yield end
        self._announce(row, CREATED)

    @handles(messages.Delete)
    def delete(self, request: messages.Delete) -> Work[None]:
        """Gone when this replies; its definition stays."""
        row = self._pools.find(request.uuid)
        self._alone(row, "delete")
        hands = backend(row.pool)
        _, end = self._jobs.begin("pool-delete", row.uuid, "", lambda _: hands.delete(row.pool), {})
        yield end
        self._announce(row, DELETED)

    @handles(messages.Stop)
    def deactivate(self, request: messages.Stop) -> Work[None]:
        """What is in it stays."""
        row = self._pools.find(request.uuid)
        self._alone(row, "stop")
        hands = backend(row.pool)
        _, end = self._jobs.begin("pool-destroy", row.uuid, "", lambda _: hands.stop(row.pool), {})
        yield end
        self._pools.deactivated(row)
        self._announce(row, STOPPED)

    @handles(messages.Refresh)
    def refresh(self, request: messages.Refresh) -> Work[None]:
        """Its volumes are as they are on disk when this replies."""
        row = self._pools.find(request.uuid)
        self._alone(row, "refresh")
        known = self._pools.volumes(row.uuid)
        _, end = self._jobs.begin(
            "pool-refresh", row.uuid, "", lambda _: looked_at(row, known, whole=True), {}
        )
        seen: tuple[PoolRow, Rows] = yield end
        now = self._pools.find(row.uuid)
        self._face.tables.volumes.put(self.context.fence, row.uuid, seen[1])
        self._pools.put(replace(now, space=seen[0].space, permissions=seen[0].permissions))
        self.publish(PoolRefreshed(row.uuid, row.name))

    def _announce(self, row: PoolRow, event: int) -> None:
        self.publish(PoolLifecycle(row.uuid, row.name, event))
