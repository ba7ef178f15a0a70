"""The actor ``storage``: pools. What takes long runs as a job, and its reply is deferred until then."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from embervirt.actors.actor import Context, handles
from embervirt.actors.work import Work
from embervirt.drivers.storage import messages
from embervirt.drivers.storage.actor.volumes import Volumes
from embervirt.drivers.storage.backend.kinds import backend
from embervirt.drivers.storage.backend.programs import Programs, outside
from embervirt.drivers.storage.backend.protocol import Volumes as Rows
from embervirt.drivers.storage.face import Face
from embervirt.drivers.storage.messages import PoolLifecycle, PoolRef, PoolRefreshed
from embervirt.drivers.storage.reading import read_pool
from embervirt.drivers.storage.service import discovering
from embervirt.drivers.storage.service.pools import looked_at, started
from embervirt.drivers.storage.states import check
from embervirt.drivers.storage.tables import PoolRow

T = TypeVar("T")
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
        with outside(self._face.paths.storage_run) as programs:
            self._pools.load(programs)

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
            end = self._begun("pool-start", row, lambda programs: started(row, build, programs))
            begun: tuple[PoolRow, Rows] = yield end
        finally:
            self._changing.discard(row.uuid)
        self._announce(self._pools.activated(*begun), STARTED)

    def _begun(self, what: str, row: PoolRow, work: Callable[[Programs], T]) -> Future[T]:
        return self._jobs.begin(what, row.uuid, "", lambda job: work(self._programs(job)), {})[1]

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
        end = self._begun("pool-build", row, lambda programs: hands.build(row.pool, flags, programs))
        yield end
        self._announce(row, CREATED)

    @handles(messages.Delete)
    def delete(self, request: messages.Delete) -> Work[None]:
        """Gone when this replies; its definition stays."""
        row = self._pools.find(request.uuid)
        self._alone(row, "delete")
        hands = backend(row.pool)
        end = self._begun("pool-delete", row, lambda programs: hands.delete(row.pool, programs))
        yield end
        self._announce(row, DELETED)

    @handles(messages.Stop)
    def deactivate(self, request: messages.Stop) -> Work[None]:
        """What is in it stays."""
        row = self._pools.find(request.uuid)
        self._alone(row, "stop")
        hands = backend(row.pool)
        end = self._begun("pool-destroy", row, lambda programs: hands.stop(row.pool, programs))
        yield end
        self._pools.deactivated(row)
        self._announce(row, STOPPED)

    @handles(messages.Refresh)
    def refresh(self, request: messages.Refresh) -> Work[None]:
        """Its volumes are as they are on disk when this replies."""
        row = self._pools.find(request.uuid)
        self._alone(row, "refresh")
        known = self._pools.volumes(row.uuid)
        end = self._begun("pool-refresh", row, lambda programs: looked_at(row, known, programs, whole=True))
        seen: tuple[PoolRow, Rows] = yield end
        now = self._pools.find(row.uuid)
        self._face.tables.volumes.put(self.context.fence, row.uuid, seen[1])
        self._pools.put(replace(now, space=seen[0].space, permissions=seen[0].permissions))
        self.publish(PoolRefreshed(row.uuid, row.name))

    @handles(messages.FindSources)
    def find_sources(self, request: messages.FindSources) -> Work[str]:
        """What there is when somebody asks."""
        find = discovering.finder(request.pool_type, request.source)
        _, end = self._jobs.begin("pool-sources", "", "", lambda job: find(self._programs(job)))
        text: str = yield end
        return text

    def _announce(self, row: PoolRow, event: int) -> None:
        self.publish(PoolLifecycle(row.uuid, row.name, event))
