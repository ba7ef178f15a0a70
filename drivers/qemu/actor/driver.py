"""The actor ``qemu``: definitions, and the start of guests, whose actors it asks the supervisor for."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

from embervirt import world
from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.work import Work
from embervirt.drivers.driver import GUESTS
from embervirt.drivers.qemu.actor.spec import guest_spec
from embervirt.drivers.qemu.face import Face, Failed
from embervirt.drivers.qemu.messages import (
    Create,
    Define,
    DomainRef,
    Edited,
    NotRevived,
    Rename,
    Replug,
    Revive,
    SetAutostart,
    Undefine,
)
from embervirt.drivers.qemu.model import model_of
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service.definitions import Definitions
from embervirt.drivers.qemu.service.domains import Domains
from embervirt.drivers.qemu.service.left import Left
from embervirt.drivers.qemu.store import Record, Store
from embervirt.errors import OperationFailed, OperationTimeout, libvirtError
from embervirt.supervisor.policy import window


class QemuDriver(Actor):
    """Keeps nothing that is not on disk or in the tables."""

    def __init__(self, context: Context, face: Face) -> None:
        super().__init__(context)
        self._face = face
        self._store = Store(face.paths, context.fence, face.owners, face.leases)
        self._domains = Domains(self._store, face.tables, context.fence, self.publish)
        self._definitions = Definitions(self._domains, self._store, face.tables, context.fence, self.publish)
        self._starts = face.starts
        self._revivals: dict[str, tuple[float, ...]] = {}

    def setup(self) -> None:
        """Definitions from disk; guests that are recorded get their actors, which find them."""
        self._domains.load(self.progress)
        records = list(self._store.records())
        self._face.tables.ids_after(self._highest_id(records))
        plans = [_plan(record) for record in records]
        if not self._face.swept:
            plans += self._left().settle(records)
            self._face.swept = True
        self._face.adopting = [self._supervise(plan) for plan in plans]
        for start in list(self._starts.values()):  # of the generation before
            start.add_done_callback(self._over)

    def _highest_id(self, records: list[Record]) -> int:
        """Of all runs that are known: operations and events still tell of those that are over."""
        starts: list[int] = [e.plan["id"] for e in self._face.journal.values() if e.what == "start"]
        return max([self._store.highest_id(), *starts, *(each.id for each in records)])

    def _left(self) -> Left:
        face = self._face
        ram = face.settings.qemu.memory_backing_dir
        return Left(face.paths, self._store, face.journal, face.tables, self.bus.session, ram)

    def _supervise(self, plan: Plan) -> Future[None]:
        return self._face.supervisor.start_child(GUESTS, guest_spec(plan, self._face))

    @handles(Define)
    def define(self, request: Define) -> DomainRef:
        """Durable when this replies."""
        return self._domains.define(request)

    @handles(Undefine)
    def undefine(self, request: Undefine) -> Work[None]:
        """Durable when this replies. A domain that is being started is undefined once that is over."""
        yield from self._after_start(request.uuid)
        self._domains.undefine(request)

    @handles(Rename)
    def rename(self, request: Rename) -> Work[DomainRef]:
        """Durable when this replies. A domain that is being started is one that runs."""
        yield from self._after_start(request.uuid)
        return self._definitions.rename(request)

    def _after_start(self, uuid: str) -> Work[None]:
        start = self._starts.get(uuid)
        if start is not None:
            yield start

    @handles(SetAutostart)
    def set_autostart(self, request: SetAutostart) -> None:
        """Durable when this replies."""
        self._definitions.set_autostart(request)

    @handles(Edited)
    def edited(self, request: Edited) -> None:
        """Durable when this replies."""
        self._definitions.edit(request)

    @handles(Replug)
    def replug(self, request: Replug) -> None:
        """Durable when this replies."""
        row = self._face.tables.definitions.get(request.uuid)
        emulator = row.domain.devices.emulator if row is not None else None
        self._definitions.replug(request, self._face.capabilities(emulator))

    @handles(Create)
    def create(self, request: Create) -> Work[DomainRef]:
        """Replies when the guest runs, or with what kept it from starting; other calls go on meanwhile."""
        deadline = self.activity.deadline
        while len(going := self._going_on()) >= self._face.settings.qemu.parallel_starts:
            yield going[0]
        if deadline and world.monotonic() > deadline:
            raise OperationTimeout("too many guests were being started (setting qemu.parallel_starts)")
        trace = self.activity.trace or self.bus.new_trace()
        plan = replace(self._domains.prepare(request), trace=trace)
        reply: Future[DomainRef] = Future()
        over = self._starts[plan.domain.uuid] = Future()
        over.add_done_callback(self._over)
        started = self._supervise(plan)
        started.add_done_callback(lambda done: self._started(plan, done, over, reply))
        made: DomainRef = yield reply
        return made

    @handles(Revive)
    def revive(self, message: Revive) -> Work[None]:
        """Not more often than a guest's actor is restarted: what dies again at once stays off."""
        try:
            self._check_revivals(message.uuid)
            yield from self.create(Create(message.uuid, name=message.name, xml=message.xml))
        except libvirtError as error:
            self.log.error("guest not revived", domain=message.name, error=str(error))
            self.publish(NotRevived(message.name, message.uuid, -1, str(error)))

    def _check_revivals(self, uuid: str) -> None:
        limits, now = self._face.settings.supervision, world.monotonic()
        recent = window(self._revivals.get(uuid, ()), now, limits.guest_period)
        if len(recent) >= limits.guest_intensity:
            died = f"its QEMU died {len(recent) + 1} times within {limits.guest_period:g} s"
            raise OperationFailed(f"on_crash: {died}; it stays off")
        self._revivals[uuid] = (*recent, now)

    def _going_on(self) -> list[Future[Failed | None]]:
        return [each for each in list(self._starts.values()) if not each.done()]

    def _started(
        self, plan: Plan, started: Future[None], over: Future[Failed | None], reply: Future[DomainRef]
    ) -> None:
        """On the supervisor's thread, for this actor may have died meanwhile; the guest's has not."""
        self._face.tables.starting.pop(plan.domain.uuid, None)
        error = started.exception()
        if error is not None:
            over.set_result((plan, error))
            reply.set_exception(error)
        else:
            self._starts.pop(plan.domain.uuid, None)
            over.set_result(None)
            reply.set_result(DomainRef(plan.domain.name, plan.domain.uuid, plan.id))

    def _over(self, over: Future[Failed | None]) -> None:
        """What failed is settled by this generation, or by the one that finds it."""
        failed = over.result()
        if failed is not None:
            self.post(lambda: self._settle(*failed))

    def _settle(self, plan: Plan, error: BaseException) -> None:
        """A start that crashed, or was given up, left its operation open; what it had made is undone.

        A guest that is shown runs, though its actor is in quarantine; whoever finds it ends that operation.
        """
        self._starts.pop(plan.domain.uuid, None)
        row = self._face.tables.running.get(plan.domain.uuid)
        if row is None or row.id != plan.id:
            self._face.journal.end(self.bus.operation(plan.trace), "failed", str(error))


def _plan(record: Record) -> Plan:
    return Plan(record.id, model_of(record.xml), record.xml, autodestroy=record.autodestroy, recorded=True)
