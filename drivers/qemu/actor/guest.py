"""The actor of one running guest: its process, its state, its requests. The guest survives every end of it.

It never waits for QEMU: what takes an answer is work that goes on when that comes (``actors.work``), so a
QEMU that does not answer can be looked at, and destroyed, meanwhile.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from embervirt.actors.actor import Context, handles
from embervirt.actors.exits import NORMAL
from embervirt.actors.work import Work
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.actor.agent import Agent
from embervirt.drivers.qemu.actor.changes import Changes
from embervirt.drivers.qemu.actor.crash import Crash
from embervirt.drivers.qemu.actor.hearing import Hearing
from embervirt.drivers.qemu.actor.ladder import Ladder
from embervirt.drivers.qemu.actor.link import LAST_BREATH, Link
from embervirt.drivers.qemu.actor.plugging import Plugging
from embervirt.drivers.qemu.actor.power import Power
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.actor.serving import Serving
from embervirt.drivers.qemu.actor.survey import Survey
from embervirt.drivers.qemu.errors import GuestDegraded, MonitorError
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import Adopt, Destroy, End, Resume, Revive, Suspend
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service import adopt, cards, left, start, tpm
from embervirt.drivers.qemu.states import State, Transition
from embervirt.drivers.qemu.store import Record, Store
from embervirt.errors import OperationAborted, OperationInvalid, libvirtError
from embervirt.supervisor.identity import Process
from embervirt.supervisor.processes import PROCESSES_ACTOR, ProcessExited, Watch, Watched
from embervirt.supervisor.processes import describe as describe_status

ADOPTION = 0.7
"""Seconds that a root's opening waits for a guest to answer; the rest of its adoption goes on beside."""


class Guest(Serving):
    """``setup`` finds the guest if there is a record of it, and starts it otherwise."""

    def __init__(self, context: Context, face: Face, plan: Plan) -> None:
        super().__init__(context)
        self._face, self._plan = face, plan
        self._store = Store(face.paths, context.fence, face.owners, face.leases)
        self._gone: Future[None] = Future()
        seen = self._seen = Seen(self, face, self._store, plan)
        changes = self._changes = Changes(self, face.journal, plan.domain.uuid, plan.id)
        self._survey = Survey(self, seen, changes)
        link = self._link = Link(
            self, face, self._gone, survey=self._survey.look, hear=self._heard, show=seen.degrade
        )
        seconds = face.settings.qemu.destroy_timeout
        self._ladder = Ladder(self, seen, changes, link, self._gone, seconds)
        self._survey.link, self._survey.ladder = link, self._ladder
        self._agent = Agent(self, face, seen)
        self._power = Power(self, seen, link, self._agent)
        self._plugging = Plugging(self, face, seen, link, self._store, changes)
        crash = Crash(self, seen, link, self._ladder, face.paths.dumps)
        self._hearing = Hearing(self, face, seen, self._ladder, self._power, self._agent, crash)
        self._hearing.plugging = self._survey.plugging = self._plugging
        self._survey.agent, self._survey.crash = self._agent, crash
        self._over = False
        self.logged = self.logged.bind(driver="qemu", domain=plan.domain.name, id=plan.id)

    # Start.

    def setup(self) -> None:
        """A record with this run's id means that its QEMU was started before."""
        record = self._plan.orphan or self._store.record(self._plan.domain.name)
        begun = self._plan.recorded or self.context.generation > 1
        if begun and record is not None and record.id == self._plan.id:
            self._adopt(record)
        elif begun:
            self._tell_end()
            self._check_started()
            self.finish(NORMAL)
        else:
            adopt.check_gone(record)
            left.undo_starts(self._plan, self._face.paths, self._store, self._face.journal)
            self._start()

    def _check_started(self) -> None:
        """Raises OperationAborted when the generation before was ended while it started this run."""
        known = self._face.journal.find(self.bus.operation(self._plan.trace))
        if not self._plan.recorded and known is not None and known.state != "done":
            raise OperationAborted(f"the start of '{self._plan.domain.name}' was interrupted, and undone")

    def _start(self) -> None:
        self.activity = self.activity._replace(trace=self._plan.trace)
        ram = self._plan.ram_dir(self._face.paths, self._face.settings.qemu.memory_backing_dir)
        about = {"name": self._plan.domain.name, "paused": self._plan.paused, "ram_dir": str(ram)}
        try:
            with self._changes.begun("start", **about) as operation:
                run = start.start(
                    self._plan, self._face, self._store, self.call, self._link.callbacks(), operation,
                    self.on_cancel,
                )  # fmt: skip
                self._take(run)
                self._agent.started()
                self._seen.announce(states.STARTED_BOOTED)
        except libvirtError:
            self._seen.drop(states.ENDED_FAILED.reason)
            raise
        if self._plan.paused:
            self._seen.announce(states.SUSPENDED_PAUSED)

    def _take(self, run: start.Run) -> None:
        try:
            self._link.hold(run.monitor, start.monitor_path(run.record))
            self._hold(run.record, run.process)
            self._seen.live = run.live
            self._seen.publish(State(*run.record.state))
        except BaseException:
            if start.ended(run, self._plan, self._face, self._store):
                start.revoke(run, self._store)
                cards.end(run.record, self.bus)
            raise
        self.context.reports.keep()  # others see it now: what fails from here on is the next generation's

    def _hold(self, record: Record, process: Process) -> None:
        self._seen.record, self._ladder.process = record, process
        self.resources.callback(process.close)
        self.post(self._watch)  # once this actor is up: what the watcher says before that reaches nobody

    def _watch(self) -> None:
        """Without waiting for the watcher: when it dies all guests' actors are restarted, and do it again."""
        record = self._seen.record
        self.bus.tell(PROCESSES_ACTOR, Watch(record.process, self.context.name))
        for what, helper in self._helpers().items():
            self.bus.tell(PROCESSES_ACTOR, Watch(helper, self.context.name, role=what))

    # Adoption.

    def _adopt(self, record: Record) -> None:
        """From the identity on nothing that fails stops the guest: it is shown, and tried again."""
        self.context.reports.keep()
        self._seen.record, self._ladder.shut_down = record, record.state[0] == states.SHUTDOWN
        self._survey.met = self._seen.row is not None
        process = Process.attach(record.process.identity)
        if process is None:
            self._ended("" if self._survey.met else adopt.when_nobody_watched(record))
            return
        self._hold(record, process)
        for what, helper in self._helpers().items():
            if not helper.runs():  # shown before it is told, for it has been since
                self._lose(what, helper.status())
        if not self._survey.met:
            self._seen.publish(State(*record.state))
        self.work(self._link.open(start.monitor_path(record)), patience=ADOPTION)
        self.inbox.ring_due()  # a silence until now is shown by the time the root is open

    @handles(Adopt)
    def adopt(self, request: Adopt) -> None:
        """An orphan gets a record again."""
        if self._seen.plan.orphan is None:
            raise OperationInvalid(f"domain '{self._plan.domain.name}' is no orphan: its record is there")
        self._seen.adopt(adopt.adopted(self._seen.plan, request.xml), request.xml)

    # Requests.

    @handles(Suspend)
    def suspend(self, _: Suspend) -> Work[None]:
        """A paused guest stays paused."""
        self._seen.check("suspend")
        return self._changes.one("suspend", self._suspend())

    def _suspend(self) -> Work[None]:
        if self._seen.check("suspend").state == states.RUNNING:
            # QEMU's event comes before its answer, or instead of it.
            self._hearing.paused_by = states.PAUSED_BY_USER
            try:
                yield from self._link.ask("stop")
            except (MonitorError, GuestDegraded):
                self._hearing.paused_by = states.PAUSED_UNKNOWN
                raise
            self._seen.become(states.PAUSED_BY_USER, states.SUSPENDED_PAUSED)

    @handles(Resume)
    def resume(self, _: Resume) -> Work[None]:
        """Only a paused guest."""
        self._seen.check("resume")
        return self._changes.one("resume", self._resume())

    def _resume(self) -> Work[None]:
        self._seen.check("resume")
        yield from self._link.ask("cont")
        self._hearing.runs()

    # The end.

    @handles(Destroy)
    def destroy(self, request: Destroy) -> Work[None]:
        """Replies when QEMU is gone; not in turn, for what is under way does not matter any more."""
        self._seen.check("destroy")
        return self._ladder.destroy(graceful=request.graceful)

    @handles(End)
    def end(self, request: End) -> Work[str]:
        """Replies with the name of the rung that ended it."""
        self._seen.check("end")
        return self._ladder.end(request.patience)

    @handles(ProcessExited)
    def process_exited(self, message: ProcessExited) -> None:
        """From the watcher."""
        if self._helper(message.pid):
            self.work(self._helper_ended(message))
        elif message.pid == self._seen.record.process.identity.pid:
            self._ended()

    def _helpers(self) -> dict[str, Watched]:
        """Processes beside QEMU, by what they serve: the guest's TPM, a card by its alias."""
        record = self._seen.record
        return record.helpers if record.tpm is None else {tpm.WHAT: record.tpm, **record.helpers}

    def _helper(self, pid: int) -> str:
        """What this one serves; empty for another's."""
        return next((what for what, helper in self._helpers().items() if helper.identity.pid == pid), "")

    def _helper_ended(self, end: ProcessExited) -> Work[None]:
        """Most often with QEMU, or its card, which is told of in a moment; else the guest runs without it."""
        if not (yield self.within(self._gone, LAST_BREATH)) and (lost := self._helper(end.pid)):
            self._lose(lost, end.status)

    def _lose(self, what: str, status: int | None) -> None:
        program = "swtpm" if what == tpm.WHAT else "passt"
        self._seen.lose(what, f"its {program} ended: {describe_status(status)}")

    def _ended(self, inferred: str = "") -> None:
        """QEMU is gone: remove what the run left, publish, announce, end; who waited for it is told first."""
        if self._over:
            return
        self._over = True
        process = self._seen.record.process
        status = process.status()
        why = process.cause(status) + (f", {inferred}" if inferred else "")
        ending = states.ending(
            destroyed=self._ladder.destroyed,
            shut_down=self._ladder.shut_down,
            status=status,
            panicked=self._ladder.panicked,
        )
        if self._began():
            self._face.tables.ending.setdefault(self._plan.id, (ending, why))
        cards.end(self._seen.record, self.bus)
        tpm.end(self._seen.record, self._face.paths)
        tpm.forget(self._seen.record, self._plan.domain, self._store)
        self._store.forget(self._seen.record)
        self._changes.resolve_all()
        self._tell_end()
        if ending == states.ENDED_CRASHED and not inferred:
            self._revive()
        self.log.info("guest ended", reason=ending.reason, why=why)
        self._gone.set_result(None)
        self.leave()

    def _revive(self) -> None:
        """The domain's own policy for a guest that crashed holds for one whose QEMU died, where it can."""
        domain = self._seen.live
        if domain.on_crash.endswith("restart"):
            defined = self._face.tables.definitions.get(domain.uuid) is not None
            self.bus.tell("qemu", Revive(domain.uuid, domain.name, "" if defined else self._plan.xml))

    def _began(self) -> bool:
        """Whether anybody was told of its start, now at the latest: else nobody is told of its end."""
        begun = self._changes.start()
        if begun is not None and begun.state == "open":
            self._seen.announce(states.STARTED_BOOTED)
            self._changes.resolve(begun, True)
            return True
        return begun is None or begun.state == "done"

    def _tell_end(self) -> None:
        """Of this run, if nobody was told yet: it was this generation's doing, or the last one's."""
        told = self._face.tables.ending.get(self._plan.id)
        self._seen.drop(None if told is None else told[0].reason)
        if told is not None:
            self._seen.announce(Transition(states.STOPPED, told[0].detail), told[1])
            del self._face.tables.ending[self._plan.id]

    def _heard(self, event: dict[str, Any]) -> None:
        """From QEMU's monitor."""
        self._hearing.qmp_event(event)
