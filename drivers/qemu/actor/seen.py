"""One guest as others see it: its row among the running ones, its record on disk, its events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from embervirt.actors.actor import Actor
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.messages import Degraded, Lifecycle, Recovered
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.ports import with_sockets
from embervirt.drivers.qemu.service import describe
from embervirt.drivers.qemu.states import State, Transition
from embervirt.drivers.qemu.store import FORMAT, Record, Store
from embervirt.drivers.qemu.tables import Running
from embervirt.drivers.xml import parse, render
from embervirt.errors import OperationInvalid, SystemError_
from embervirt.supervisor.processes import Watched


class Seen:
    """Used on the actor's thread only. ``record`` is there once its QEMU is.

    ``heard`` counts what was heard of its state, events and answers.
    """

    record: Record
    heard = 0

    def __init__(self, actor: Actor, face: Face, store: Store, plan: Plan) -> None:
        self.plan = plan
        self._actor, self._tables, self._store = actor, face.tables, store
        self._trouble = self._unkept = ""
        self._lost: dict[str, str] = {}
        self._queued = False
        self._live: Domain | None = None

    @property
    def row(self) -> Running | None:
        """As it is published; None before its start, and after its end."""
        row = self._tables.running.get(self.plan.domain.uuid)
        return row if row is not None and row.id == self.plan.id else None

    @property
    def state(self) -> State:
        """As it is published."""
        row = self.row
        return states.NO_STATE if row is None else row.state

    def check(self, request: str) -> State:
        """Raises OperationInvalid when ``request`` does not fit the state, or the record forbids changes."""
        row = self.row
        if row is not None and self.looked_at_only:
            raise OperationInvalid(f"cannot {request}: {self._reservation()}")
        return states.check(request, None if row is None else row.state)

    @property
    def looked_at_only(self) -> bool:
        """Whether its record says what nobody here understands."""
        return self.record.format > FORMAT

    def _reservation(self) -> str:
        """What cannot be done to this guest although QEMU answers."""
        if self.plan.orphan is not None:
            return "orphan: its record is lost; destroy it, or adopt it with its XML"
        newer = f"record: its format {self.record.format} is newer than {FORMAT}; it can only be looked at"
        return newer if self.looked_at_only else ""

    # Publishing.

    def publish(self, state: State) -> None:
        """All of it anew."""
        self._keep(state)
        self._put(describe.running(self.live, self.record, state))

    def become(self, state: State, transition: Transition, why: str = "") -> None:
        """Another state, with its event; nothing if it is in that state."""
        row = self.row
        self.heard += 1
        if row is not None and row.state != state:
            self._keep(state)
            self._put(row.at(state))
            self.announce(transition, why)

    def _put(self, row: Running) -> None:
        """With all that does not work, the latest first."""
        lost = (f"{what}: {why}" for what, why in self._lost.items())
        troubles = [self._trouble, *lost, self._unkept, self._reservation()]
        degraded = "; ".join(each for each in troubles if each)
        before = self.row
        self._tables.running.put(self._actor.context.fence, row.uuid, replace(row, degraded=degraded))
        if degraded != (before.degraded if before is not None else ""):
            self._tell(row, degraded)

    def _tell(self, row: Running, degraded: str) -> None:
        if degraded:
            self._actor.log.warning("guest is degraded", why=degraded)
            self._actor.publish(Degraded(row.name, row.uuid, row.id, degraded))
        else:
            self._actor.log.info("guest has recovered")
            self._actor.publish(Recovered(row.name, row.uuid, row.id))

    def degrade(self, why: str) -> None:
        """What does not work although the guest runs; with nothing to say, it works again."""
        row = self.row
        if row is not None:
            self._trouble = why
            self._put(row)

    def lose(self, what: str, why: str) -> None:
        """Something that it had beside QEMU, and has no more."""
        self._lost[what] = why
        if (row := self.row) is not None:
            self._put(row)

    def spare(self, what: str) -> None:
        """It needs that no more."""
        if self._lost.pop(what, None) is not None and (row := self.row) is not None:
            self._put(row)

    def announce(self, transition: Transition, why: str = "") -> None:
        """A lifecycle event."""
        domain = self.plan.domain
        self._actor.publish(Lifecycle(domain.name, domain.uuid, self.plan.id, *transition, why))

    def drop(self, reason: int | None) -> None:
        """It does not run any more, for what ``reason`` if that is news. A transient domain is gone then."""
        uuid, fence = self.plan.domain.uuid, self._actor.context.fence
        if reason is not None and self._tables.definitions.get(uuid) is not None:
            self._tables.ended.put(fence, uuid, State(states.SHUTOFF, reason))
        if self.row is not None:
            self._tables.running.drop(fence, uuid)

    # The record.

    def expect_reboot(self, expected: bool) -> None:
        """Whether its next power-off is half of a reboot."""
        self._keep(self.state, reboots=expected)

    def expect_agent(self, timeout: int) -> None:
        """Its agent has so long to answer."""
        self._keep(self.state, agent_timeout=timeout)

    def _keep(self, state: State, **more: Any) -> None:
        """For who opens this root next: after the reply in hand, for what counts is what QEMU says."""
        kept = {"state": (state.state, state.reason), "format": FORMAT, **more}
        record = msgspec.structs.replace(self.record, **kept)
        if self._reservation() or (record == self.record and not self._unkept):
            return
        self.record = record
        if not self._queued:
            self._queued = True
            self._actor.post(self._note)

    def _note(self) -> None:
        """On a full disk the guest goes on, and this is tried again with its next change."""
        self._queued = False
        row, before = self.row, self._unkept
        if row is None:
            return
        try:
            self._store.note(self.record)
        except SystemError_ as error:
            self._unkept = f"record: {error.detail}"
        else:
            self._unkept = ""
        if self._unkept != before:
            self._put(row)

    @property
    def live(self) -> Domain:
        """The guest as it runs: with its id, its aliases, and what was plugged."""
        if self._live is None:
            written = self.record.live
            self._live = (
                parse(Domain, written)
                if written
                else describe.live(self._with_sockets(self.plan), self.plan.id, {})
            )
        return self._live

    @live.setter
    def live(self, domain: Domain) -> None:
        self._live = domain

    def _with_sockets(self, plan: Plan) -> Domain:
        return with_sockets(plan.domain, plan.directory(self._store.paths))

    def found(self, chardevs: list[dict[str, Any]]) -> None:
        """The ports as QEMU says: to be published with the state."""
        ptys, open_ = describe.ptys(chardevs), describe.opened(chardevs)
        self._live = describe.live(self.live, self.plan.id, ptys, open_)
        if not self._reservation():
            self.record = msgspec.structs.replace(self.record, live=render(self._live))

    def keep_cards(self, ports: dict[str, str], helpers: dict[str, Watched]) -> None:
        """Ports and helpers of network cards: on record at once, for they outlive this actor."""
        self._keep(self.state, ports=ports, helpers=helpers)
        self._note()

    def rewrite(self, domain: Domain) -> None:
        """What it would be started from if it were not defined; for what ``describe`` publishes next."""
        self.plan = replace(self.plan, domain=domain, xml=render(domain))
        self._keep(self.state, xml=self.plan.xml)

    def describe(self, domain: Domain) -> None:
        """Another description of the guest as it runs."""
        self._live = domain
        self._keep(self.state, live=render(domain))
        self._note()  # before the operation's result: who finds the guest then must know the device
        self._put(describe.running(domain, self.record, self.state))

    def adopt(self, plan: Plan, xml: str) -> None:
        """An orphan gets a record again. Raises SystemError_ when that cannot be written."""
        live = describe.live(self._with_sockets(plan), plan.id, {})
        record = msgspec.structs.replace(self.record, xml=xml, live=render(live), format=FORMAT)
        self._store.keep(record)
        self.record, self.plan, self._live = record, plan, live
        self.publish(self.state)
