"""The actor ``storage``: pools. What takes long runs as a job, and its reply is deferred until then."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from embervirt import world
from embervirt.actors.actor import Context, handles
from embervirt.actors.work import Work
from embervirt.drivers.storage import messages
from embervirt.drivers.storage.actor.volumes import Volumes
from embervirt.drivers.storage.backend.kinds import backend
from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.backend.protocol import Volumes as Rows
from embervirt.drivers.storage.face import Face
from embervirt.drivers.storage.jobs import UnderWay
from embervirt.drivers.storage.messages import PoolLifecycle, PoolRef, PoolRefreshed
from embervirt.drivers.storage.reading import read_pool
from embervirt.drivers.storage.service import discovering
from embervirt.drivers.storage.service.pools import Answer, Wanted, looked_at, resumed, started
from embervirt.drivers.storage.states import check
from embervirt.drivers.storage.tables import PoolRow
from embervirt.errors import libvirtError
from embervirt.log import get_logger

T = TypeVar("T")
DEFINED, UNDEFINED, STARTED, STOPPED, CREATED, DELETED = range(6)
"""virStoragePoolEventLifecycleType."""

PATIENCE = 5.0
"""Seconds that the start waits for what is in the pools that were active."""

BESIDE = 32
"""Pools that are looked at at once, then: each look has a thread and a few descriptors."""


class StorageDriver(Volumes):
    """Keeps nothing of its own: definitions are on disk, volumes are what is there."""

    def __init__(self, context: Context, face: Face) -> None:
        super().__init__(context, face)
        self._refreshes: dict[str, Future[None]] = {}
        self._log = get_logger(driver="storage")

    def setup(self) -> None:
        """Publish what is on disk, and what is in the pools that are active."""
        self._jobs.settle(self._face.paths.storage_run)
        self._pools.load(self._looks)
        for each in self._jobs.outliving(("pool-start", "pool-destroy")):
            self.work(self._outlived(each))

    def _looks(self, wanted: list[Wanted]) -> dict[str, Answer]:
        """A job each. One that is late, because its server does not answer, say, holds nobody up."""
        ends: dict[Future[Answer], Wanted] = {}
        late: set[Future[Answer]] = set()
        left, until = self._jobs.left(), world.monotonic() + PATIENCE
        for each in wanted:
            end = self._begun("pool-load", each.row, partial(_resumed, each, left), on_record=False)
            ends[end] = each
            late.add(end)
            if len(late) >= BESIDE:
                late = world.wait(late, max(until - world.monotonic(), 0), FIRST_COMPLETED).not_done
        done, late = world.wait(ends, max(until - world.monotonic(), 0))
        for end in late:
            self._log.warning("pool does not answer; it is not active until it does", pool=ends[end].row.name)
            self.work(self._awaited(ends[end], end))
        return {ends[end].row.uuid: end.result() for end in done}

    def _awaited(self, wanted: Wanted, end: Future[Answer]) -> Work[None]:
        """Nothing else is begun with the pool until it has answered."""
        with self._change(wanted.row):
            answer: Answer = yield end
        before = self._pools.is_active(wanted.row.uuid)
        self._pools.answered(wanted, answer)
        active = not isinstance(answer, str)
        if active != before:
            self._announce(wanted.row, STARTED if active else STOPPED)

    def _outlived(self, late: UnderWay) -> Work[None]:
        """What came of a start or stop that waited for its disk longer than its generation lived."""
        row = self._face.tables.pools.get(late.job.row.pool)
        if row is None:
            return
        with self._change(row):
            yield late.ended
        wanted = Wanted(self._pools.find(row.uuid), recorded=row.active)
        end = self._begun("pool-load", row, partial(_resumed, wanted, self._jobs.left()), on_record=False)
        yield from self._awaited(wanted, end)

    @handles(messages.Define)
    def define(self, request: messages.Define) -> PoolRef:
        """Durable when this replies."""
        row = self._pools.define(read_pool(request.xml), self._changing.values())
        self._announce(row, DEFINED)
        return PoolRef(row.uuid, row.name)

    @handles(messages.Undefine)
    def undefine(self, request: messages.Undefine) -> None:
        """What is in it stays."""
        self._announce(self._pools.undefine(request.uuid, self._busy(request.uuid)), UNDEFINED)

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
        row = self._pools.transient(read_pool(request.xml), self._changing.values())
        yield from self._start(row, request.build)
        return PoolRef(row.uuid, row.name)

    def _start(self, row: PoolRow, build: int) -> Work[None]:
        self._alone(row, "start")
        left = self._jobs.left()
        with self._change(row):
            end = self._begun("pool-start", row, lambda programs: started(row, build, programs, left))
            begun: tuple[PoolRow, Rows] = yield end
            try:
                active = self._pools.activated(*begun)
            except libvirtError:
                yield self._begun("pool-destroy", row, partial(backend(row.pool).stop, row.pool))
                raise
        self._announce(active, STARTED)

    def _begun(
        self, what: str, row: PoolRow, work: Callable[[Programs], T], *, on_record: bool = True
    ) -> Future[T]:
        plan: dict[str, Any] | None = {} if on_record else None
        return self._jobs.begin(what, row.uuid, "", lambda job: work(self._programs(job)), plan)[1]

    def _alone(self, row: PoolRow, request: str) -> None:
        """Raises StorageInternal while something of the pool is under way that this cannot go beside."""
        check(row, request, self._busy(row.uuid))

    @contextmanager
    def _change(self, row: PoolRow) -> Iterator[None]:
        """It becomes active, or no longer: nothing else is begun with it, and none like it is defined."""
        self._changing[row.uuid] = row
        try:
            yield
        finally:
            del self._changing[row.uuid]

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
        with self._change(row):
            yield self._begun("pool-destroy", row, partial(hands.stop, row.pool))
        self._pools.deactivated(row)
        self._announce(row, STOPPED)

    @handles(messages.Refresh)
    def refresh(self, request: messages.Refresh) -> Work[None]:
        """Its volumes are as they are on disk when this replies."""
        while request.uuid in self._refreshes:  # that one may have looked before what is to be seen now
            yield self._refreshes[request.uuid]
        row = self._pools.find(request.uuid)
        self._alone(row, "refresh")
        known, left = self._pools.volumes(row.uuid), self._jobs.left()
        end = self._begun("pool-refresh", row, lambda programs: looked_at(row, known, programs, left))
        over = self._refreshes[row.uuid] = Future()
        self._looked[row.uuid] = set()
        try:
            seen: tuple[PoolRow, Rows] = yield end
            self._pools.refreshed(*seen, self._looked[row.uuid])
        finally:
            del self._refreshes[row.uuid], self._looked[row.uuid]
            over.set_result(None)
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


def _resumed(wanted: Wanted, left: Collection[Path], programs: Programs) -> Answer:
    return resumed(wanted, programs, left)
