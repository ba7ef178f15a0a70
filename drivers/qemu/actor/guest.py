"""The actor of one running guest: its process, its state, its requests. The guest survives every end of it.

It never waits for QEMU: what takes an answer is work that goes on when that comes (``actors.work``), so a
QEMU that does not answer can be looked at, and destroyed, meanwhile.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import msgspec

from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.exits import NORMAL
from embervirt.actors.work import Work
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.actor.changes import Changes
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.actor.reboots import Reboots
from embervirt.drivers.qemu.errors import MonitorError
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import (
    Adopt,
    Degraded,
    Destroy,
    End,
    Lifecycle,
    Query,
    Recovered,
    Resume,
    Shutdown,
    Suspend,
)
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service import adopt, describe, start, stop
from embervirt.drivers.qemu.states import State, Transition
from embervirt.drivers.qemu.store import FORMAT, Record, Store
from embervirt.drivers.qemu.tables import Running
from embervirt.errors import OperationInvalid, libvirtError
from embervirt.supervisor.identity import Process
from embervirt.supervisor.processes import PROCESSES_ACTOR, ProcessExited, Watch
from embervirt.supervisor.processes import describe as describe_status

ADOPTION = 0.7
"""Seconds that a root's opening waits for a guest to answer; the rest of its adoption goes on beside."""


class Guest(Actor):
    """``setup`` finds the guest if there is a record of it, and starts it otherwise."""

    record: Record
    process: Process

    def __init__(self, context: Context, face: Face, plan: Plan) -> None:
        super().__init__(context)
        self._face, self._plan = face, plan
        self._store = Store(face.paths, context.fence)
        self._gone: Future[None] = Future()
        self._changes = Changes(self, face.journal, plan.domain.uuid)
        self._link = Link(
            self, face, self._gone, survey=self._survey, hear=self._qmp_event, show=self._degrade
        )
        self._reboots = Reboots(self, plan)
        self._paused_by = states.PAUSED_UNKNOWN
        self._destroyed = self._shut_down = self._over = self._met = False
        self.logged = self.logged.bind(driver="qemu", domain=plan.domain.name, id=plan.id)

    # Start.

    def setup(self) -> None:
        """A record with this run's id means that its QEMU was started before."""
        record = self._plan.orphan or self._store.record(self._plan.domain.name)
        begun = self._plan.recorded or self.context.generation > 1
        if begun and record is not None and record.id == self._plan.id:
            self._adopt(record)
        elif begun:
            self._face.tables.running.drop(self.context.fence, self._plan.domain.uuid)
            self.finish(NORMAL)
        else:
            adopt.check_gone(record)
            self._start()

    def _start(self) -> None:
        try:
            self._boot()
        except libvirtError:
            self._keep_ending(states.ENDED_FAILED.reason)
            raise
        self._announce(states.STARTED_BOOTED)
        if self._plan.paused:
            self._announce(states.SUSPENDED_PAUSED)

    def _boot(self) -> None:
        self.activity = self.activity._replace(trace=self._plan.trace)
        plan = self._plan
        ram = plan.ram_dir(self._face.paths, self._face.settings.qemu.memory_backing_dir)
        about = {"name": plan.domain.name, "id": plan.id, "paused": plan.paused, "ram_dir": str(ram)}
        with self._changes.begun("start", **about) as operation:
            callbacks = self._link.callbacks()
            run = start.start(self._plan, self._face, self._store, self.call, callbacks, operation)
            try:
                self._link.hold(run.monitor, start.monitor_path(run.record))
                self._hold(run.record, run.process)
                self._publish_row(State(*run.record.state))
            except BaseException:
                start.revoke(run, self._store)
                raise

    def _hold(self, record: Record, process: Process) -> None:
        self.record, self.process = record, process
        self.resources.callback(process.close)
        self.call(PROCESSES_ACTOR, Watch(record.process, self.context.name))

    # Adoption.

    def _adopt(self, record: Record) -> None:
        """From the identity on nothing that fails stops the guest: it is shown, and tried again."""
        self.record, self._shut_down = record, record.state[0] == states.SHUTDOWN
        self._met = self._row() is not None
        process = Process.attach(record.process.identity)
        if process is None:
            self._ended("" if self._met else adopt.when_nobody_watched(record))
            return
        self._hold(record, process)
        if not self._met:
            self._publish_row(State(*record.state))
            self._degrade(self._reservation())
        self.work(self._link.open(start.monitor_path(record)), patience=ADOPTION)

    def _reservation(self) -> str:
        """What cannot be done to this guest although QEMU answers."""
        if self._plan.orphan is not None:
            return "orphan: its record is lost; destroy it, or adopt it with its XML"
        newer = f"record: its format {self.record.format} is newer than {FORMAT}; it can only be looked at"
        return newer if self.record.format > FORMAT else ""

    def _survey(self) -> Work[None]:
        """At the beginning of each session, and after a silence: what QEMU says is so."""
        troubles = [self._reservation()]
        status = yield from self._find_out("query-status", troubles)
        chardevs = yield from self._find_out("query-chardev", troubles)
        row = self._row()
        if row is None:
            return
        if chardevs is not None:
            self.record = msgspec.structs.replace(self.record, ptys=describe.ptys(chardevs))
        known = row.state
        state = known if status is None else states.found(status["status"], known)
        self._publish_row(state, row.degraded)
        self.log.info("guest found", pid=self.record.process.identity.pid, state=state.state)
        if state.state != known.state and state.state in states.MISSED:
            self._announce(states.MISSED[state.state], "reconciled: it was found so")
        self._degrade("; ".join(each for each in troubles if each))
        if status is not None:
            yield from self._settle(state)

    def _find_out(self, command: str, troubles: list[str]) -> Work[Any]:
        try:
            return (yield from self._link.find_out(command))
        except MonitorError as refused:
            troubles.append(f"{command}: {refused.desc}")
            return None

    def _settle(self, state: State) -> Work[None]:
        """What was begun by somebody who did not live to end it, and what nobody saw happen."""
        for operation in self._changes.unresolved():
            if operation.what == "start" and state == states.PAUSED_STARTING and not operation.plan["paused"]:
                yield from self._link.ask("cont")
                self._become(states.BOOTED, states.STARTED_BOOTED)
            if operation.what in ("destroy", "end"):
                self.work(self._kill())
                return
            self._changes.resolve(operation, states.happened(operation.what, state.state))
        if state == states.GUEST_SHUTDOWN:
            self.work(self._power_off())
        elif self.record.autodestroy and not self._met:
            self.work(self._kill())

    # What is published.

    def _row(self) -> Running | None:
        return self._face.tables.running.get(self._plan.domain.uuid)

    def _put(self, row: Running) -> None:
        self._face.tables.running.put(self.context.fence, row.uuid, row)

    def _publish_row(self, state: State, degraded: str = "") -> None:
        self._keep(state)
        self._put(replace(describe.running(self._plan, self.record, state), degraded=degraded))

    def _keep(self, state: State) -> None:
        """In the record too, for who opens this root next."""
        record = msgspec.structs.replace(self.record, state=(state.state, state.reason), format=FORMAT)
        if record != self.record and not self._reservation():
            self.record = record
            self._store.note(record)

    def _become(self, state: State, transition: Transition, why: str = "") -> None:
        row = self._row()
        if row is not None and row.state != state:
            self._keep(state)
            self._put(row.at(state))
            self._announce(transition, why)

    def _degrade(self, why: str) -> None:
        """What does not work although the guest runs; with nothing to say, it works again."""
        row = self._row()
        if row is None or row.degraded == why:
            return
        self._put(replace(row, degraded=why))
        event = Degraded(row.name, row.uuid, row.id, why) if why else Recovered(row.name, row.uuid, row.id)
        self.log.warning("guest is degraded", why=why) if why else self.log.info("guest has recovered")
        self.publish(event)

    def _announce(self, transition: Transition, why: str = "") -> None:
        domain = self._plan.domain
        self.publish(Lifecycle(domain.name, domain.uuid, self._plan.id, *transition, why))

    # Requests.

    def _check(self, request: str) -> State:
        row = self._row()
        if self.record.format > FORMAT:
            raise OperationInvalid(f"cannot {request}: {self._reservation()}")
        return states.check(request, None if row is None else row.state)

    @handles(Suspend)
    def suspend(self, _: Suspend) -> Work[None]:
        """A paused guest stays paused."""
        self._check("suspend")
        return self._changes.one("suspend", self._suspend())

    def _suspend(self) -> Work[None]:
        if self._check("suspend").state == states.RUNNING:
            self._paused_by = states.PAUSED_BY_USER  # QEMU's event comes before its answer
            try:
                yield from self._link.ask("stop")
                self._become(states.PAUSED_BY_USER, states.SUSPENDED_PAUSED)
            finally:
                self._paused_by = states.PAUSED_UNKNOWN

    @handles(Resume)
    def resume(self, _: Resume) -> Work[None]:
        """Only a paused guest."""
        self._check("resume")
        return self._changes.one("resume", self._resume())

    def _resume(self) -> Work[None]:
        self._check("resume")
        yield from self._link.ask("cont")
        self._become(states.UNPAUSED, states.RESUMED_UNPAUSED)

    @handles(Shutdown)
    def shutdown(self, _: Shutdown) -> Work[None]:
        """Replies at once; the guest's own shutdown is an event."""
        self._check("shutdown")
        yield from self._link.ask("system_powerdown")

    @handles(Query)
    def query(self, request: Query) -> Work[str]:
        """Whatever the caller asks QEMU."""
        return describe.passthrough(self._link.ask, request.command)

    @handles(Adopt)
    def adopt(self, request: Adopt) -> None:
        """An orphan gets a record again."""
        if self._plan.orphan is None:
            raise OperationInvalid(f"domain '{self._plan.domain.name}' is no orphan: its record is there")
        self._plan = adopt.adopted(self._plan, request.xml)
        self.record = msgspec.structs.replace(self.record, xml=request.xml, format=FORMAT)
        self._store.keep(self.record)
        row = self._row()
        self._publish_row(states.ADOPTED if row is None else row.state)
        self._degrade("")

    # The end.

    @handles(Destroy)
    def destroy(self, request: Destroy) -> Work[None]:
        """Replies when QEMU is gone; not in turn, for what is under way does not matter any more."""
        self._check("destroy")
        return self._kill(graceful=request.graceful)

    @handles(End)
    def end(self, request: End) -> Work[str]:
        """Replies with the name of the rung that ended it."""
        self._check("end")
        return self._descend("end", stop.whole(request.patience, self._face.settings.qemu.destroy_timeout))

    def _kill(self, graceful: bool = False) -> Work[None]:
        self._destroyed = True
        yield from self._descend("destroy", stop.rungs(graceful, self._face.settings.qemu.destroy_timeout))

    def _descend(self, what: str, rungs: tuple[stop.Rung, ...]) -> Work[str]:
        with self._changes.begun(what) as operation:
            for rung in rungs:
                if not rung.fits(self.process):
                    continue
                operation.mark(rung.name)
                self._destroyed = self._destroyed or (rung.final and not self._shut_down)
                rung.press(self.process, self._link.tell)
                if (yield self.within(self._gone, rung.seconds)):
                    return rung.name
            return self._stays(rungs)

    def _stays(self, rungs: tuple[stop.Rung, ...]) -> str:
        """What QEMU does is not known any more; a start is refused until it has ended."""
        row = self._row()
        if row is not None and rungs[-1].name == "SIGKILL":
            self._put(row.at(states.NO_STATE))
            self._degrade("process: it does not end")
        raise stop.stays(self.process, rungs)

    def _power_off(self) -> Work[None]:
        """QEMU waits, paused, for what the domain's ``on_poweroff`` says."""
        if self._plan.domain.on_poweroff == "restart" and not self.process.exited:
            self._shut_down = False
            yield from self._link.ask("system_reset")
            yield from self._link.ask("cont")
            self._become(states.BOOTED, states.RESUMED_UNPAUSED)
            return
        self._shut_down = True
        yield from self._descend("end", stop.rungs(False, self._face.settings.qemu.destroy_timeout))

    @handles(ProcessExited)
    def process_exited(self, _: ProcessExited) -> None:
        """From the watcher."""
        self._ended()

    def _ended(self, inferred: str = "") -> None:
        """QEMU is gone: remove what the run left, publish, announce, end; who waited for it is told first."""
        if self._over:
            return
        self._over = True
        uuid, fence = self._plan.domain.uuid, self.context.fence
        status = self.record.process.status()
        why = describe_status(status) + (f", {inferred}" if inferred else "")
        ending = states.ending(destroyed=self._destroyed, shut_down=self._shut_down, status=status)
        self._store.forget(self.record)
        self._keep_ending(ending.reason)
        for operation in self._changes.unresolved():
            self._changes.resolve(operation, operation.what in ("destroy", "end"))
        self._face.tables.running.drop(fence, uuid)
        self._announce(Transition(states.STOPPED, ending.detail), why)
        self.log.info("guest ended", reason=ending.reason, why=why)
        self._gone.set_result(None)
        self.leave()

    def _keep_ending(self, reason: int) -> None:
        """A transient domain is gone with its guest."""
        uuid = self._plan.domain.uuid
        if self._face.tables.definitions.get(uuid) is not None:
            self._face.tables.ended.put(self.context.fence, uuid, State(states.SHUTOFF, reason))

    # What QEMU says.

    def _qmp_event(self, event: dict[str, Any]) -> None:
        row = self._row()
        if row is None:
            return
        match event["event"]:
            case "STOP" if row.state.state == states.RUNNING:
                self._become(self._paused_by, states.SUSPENDED_PAUSED)
            case "RESUME" if row.state.state == states.PAUSED:
                self._become(states.UNPAUSED, states.RESUMED_UNPAUSED)
            case "RESET":
                self._reboots.happened()
            case "SHUTDOWN" if not self._destroyed:
                self._guest_shutdown(event["data"])

    def _guest_shutdown(self, data: dict[str, Any]) -> None:
        self._shut_down = True
        announced = states.SHUTDOWN_GUEST if data.get("guest", False) else states.SHUTDOWN_HOST
        self._become(states.GUEST_SHUTDOWN, announced, str(data.get("reason", "")))
        self.work(self._power_off())
