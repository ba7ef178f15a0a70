"""The actor of one running guest: its monitor, its process, its state. The guest survives every end of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.exits import NORMAL
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.backend.protocol import Session
from embervirt.drivers.qemu.errors import MonitorLost
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import Destroy, Lifecycle, Query, Rebooted, Resume, Shutdown, Suspend
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service import adopt, describe, start, stop
from embervirt.drivers.qemu.states import State, Transition
from embervirt.drivers.qemu.store import Record, Store
from embervirt.drivers.qemu.tables import Running
from embervirt.errors import libvirtError
from embervirt.supervisor.identity import Process
from embervirt.supervisor.processes import PROCESSES_ACTOR, ProcessExited, Watch
from embervirt.supervisor.processes import describe as describe_status

LAST_BREATH = 0.5
"""Seconds between the end of a monitor's connection and that of its process, when QEMU exits."""


class Guest(Actor):
    """``setup`` finds the guest if there is a record of it, and starts it otherwise."""

    record: Record
    process: Process
    monitor: Session

    def __init__(self, context: Context, face: Face, plan: Plan) -> None:
        super().__init__(context)
        self._face, self._plan = face, plan
        self._store = Store(face.paths, context.fence)
        self._destroyed = self._shut_down = False
        self.logged = self.logged.bind(driver="qemu", domain=plan.domain.name, id=plan.id)

    # Start and adoption.

    def setup(self) -> None:
        """A record with this run's id means that its QEMU was started before."""
        record = self._store.record(self._plan.domain.name)
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
        run = start.start(self._plan, self._face, self._store, self.call, self._callbacks())
        try:
            self._hold(run)
            self._publish_row(states.PAUSED_BY_USER if self._plan.paused else states.BOOTED)
        except BaseException:
            start.revoke(run, self._store)
            raise

    def _adopt(self, record: Record) -> None:
        self.record, self._shut_down = record, record.shut_down
        known = self._row()
        run = adopt.adopt(record, self._face, self._callbacks())
        if run is None:
            self._ended()
            return
        self._hold(run)
        state = adopt.state(self.monitor, known)
        self._publish_row(state)
        self.log.info("guest adopted", pid=record.process.identity.pid, state=state.state)
        if known is not None and known.state.state != state.state:
            self._announce_missed(state)
        if state == states.GUEST_SHUTDOWN:
            self._power_off()
        elif record.autodestroy and known is None:
            self.destroy(Destroy())

    def _announce_missed(self, state: State) -> None:
        """What the generation before this one did not live to tell."""
        missed = states.MISSED.get(state.state)
        if missed is not None:
            self._announce(missed)

    def _hold(self, run: start.Run) -> None:
        self.record, self.process, self.monitor = run.record, run.process, run.monitor
        self.resources.callback(self.process.close)
        self.resources.callback(self.monitor.close)
        self.call(PROCESSES_ACTOR, Watch(self.record.process, self.context.name))

    def _callbacks(self) -> start.Callbacks:
        def on_event(event: dict[str, Any]) -> None:
            self.post(partial(self._qmp_event, event))

        return start.Callbacks(on_event, lambda error: self.post(self._monitor_closed))

    # What is published.

    def _row(self) -> Running | None:
        return self._face.tables.running.get(self._plan.domain.uuid)

    def _publish_row(self, state: State) -> None:
        row = describe.running(self._plan, self.record, self.monitor, state)
        self._face.tables.running.put(self.context.fence, row.uuid, row)

    def _become(self, state: State, transition: Transition, why: str = "") -> None:
        row = self._row()
        if row is not None and row.state != state:
            self._face.tables.running.put(self.context.fence, row.uuid, row.at(state))
            self._announce(transition, why)

    def _announce(self, transition: Transition, why: str = "") -> None:
        domain = self._plan.domain
        self.publish(Lifecycle(domain.name, domain.uuid, self._plan.id, *transition, why))

    # Requests.

    def _qmp(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        return self.monitor.execute(command, arguments, timeout=self._face.settings.qemu.qmp_timeout)

    def _check(self, request: str) -> State:
        row = self._row()
        return states.check(request, None if row is None else row.state)

    @handles(Suspend)
    def suspend(self, _: Suspend) -> None:
        """A paused guest stays paused."""
        if self._check("suspend").state == states.RUNNING:
            self._qmp("stop")
            self._become(states.PAUSED_BY_USER, states.SUSPENDED_PAUSED)

    @handles(Resume)
    def resume(self, _: Resume) -> None:
        """Only a paused guest."""
        self._check("resume")
        self._qmp("cont")
        self._become(states.UNPAUSED, states.RESUMED_UNPAUSED)

    @handles(Shutdown)
    def shutdown(self, _: Shutdown) -> None:
        """Replies at once; the guest's own shutdown is an event."""
        self._check("shutdown")
        self._qmp("system_powerdown")

    @handles(Query)
    def query(self, request: Query) -> str:
        """Whatever the caller asks QEMU."""
        return describe.passthrough(self.monitor, request.command, self._face.settings.qemu.qmp_timeout)

    @handles(Destroy)
    def destroy(self, request: Destroy) -> None:
        """Replies when QEMU is gone."""
        self._destroyed = True
        stop.terminate(self.process, request.graceful, self._face.settings.qemu.destroy_timeout)
        self._ended()

    # What QEMU says.

    def _qmp_event(self, event: dict[str, Any]) -> None:
        row = self._row()
        if row is None:
            return
        match event["event"]:
            case "STOP" if row.state.state == states.RUNNING:
                self._become(states.PAUSED_UNKNOWN, states.SUSPENDED_PAUSED)
            case "RESUME" if row.state.state == states.PAUSED:
                self._become(states.UNPAUSED, states.RESUMED_UNPAUSED)
            case "RESET":
                self.publish(Rebooted(row.name, row.uuid, row.id))
            case "SHUTDOWN" if not self._destroyed:
                self._guest_shutdown(event["data"])

    def _guest_shutdown(self, data: dict[str, Any]) -> None:
        self._shut_down = True
        by_guest = data.get("guest", False)
        announced = states.SHUTDOWN_GUEST if by_guest else states.SHUTDOWN_HOST
        self._become(states.GUEST_SHUTDOWN, announced, str(data.get("reason", "")))
        self._power_off()

    def _power_off(self) -> None:
        """QEMU waits, paused, for what the domain's ``on_poweroff`` says."""
        if self._plan.domain.on_poweroff == "restart" and not self.process.exited:
            self._shut_down = False
            self._qmp("system_reset")
            self._qmp("cont")
            self._become(states.BOOTED, states.RESUMED_UNPAUSED)
            return
        self._shut_down = True
        stop.terminate(self.process, False, self._face.settings.qemu.destroy_timeout)
        self._ended()

    def _monitor_closed(self) -> None:
        """QEMU ended, or its monitor failed: then this actor does too, and its successor connects anew."""
        if not self.process.wait(LAST_BREATH):
            raise MonitorLost(f"the monitor of '{self._plan.domain.name}' closed while QEMU runs")
        self._ended()

    @handles(ProcessExited)
    def process_exited(self, _: ProcessExited) -> None:
        """From the watcher; the monitor's end may have told before."""
        if self._row() is not None:
            self._ended()

    def _ended(self) -> None:
        """QEMU is gone: remove what the run left, publish, announce, end."""
        if self.actor_stopped.is_set():
            return
        uuid, fence = self._plan.domain.uuid, self.context.fence
        status = self.record.process.status()
        why = describe_status(status)
        ending = states.ending(destroyed=self._destroyed, shut_down=self._shut_down, status=status)
        self._store.forget(self.record)
        self._keep_ending(ending.reason)
        self._face.tables.running.drop(fence, uuid)
        self._announce(Transition(states.STOPPED, ending.detail), why)
        self.log.info("guest ended", reason=ending.reason, why=why)
        self.finish(NORMAL)

    def _keep_ending(self, reason: int) -> None:
        """A transient domain is gone with its guest."""
        uuid = self._plan.domain.uuid
        if self._face.tables.definitions.get(uuid) is not None:
            self._face.tables.ended.put(self.context.fence, uuid, State(states.SHUTOFF, reason))
