"""What QEMU says is so: asked when a session begins, and after a silence; and what follows from it."""

from __future__ import annotations

from typing import Any

from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.qemu import states
from embervirt.drivers.qemu.actor.agent import Agent
from embervirt.drivers.qemu.actor.changes import Changes
from embervirt.drivers.qemu.actor.crash import Crash
from embervirt.drivers.qemu.actor.ladder import Ladder
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.actor.plugging import Plugging
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.actor.unfinished import DEVICES, names
from embervirt.drivers.qemu.errors import MonitorError
from embervirt.drivers.qemu.states import State
from embervirt.drivers.root.journal import Operation

RECONCILED = "reconciled: it was found so"
DEVICE = " device"
"""What operations on devices end with."""


class Survey:
    """Used on the actor's thread only. ``met``: this process knew the guest before this generation."""

    link: Link
    ladder: Ladder
    agent: Agent
    crash: Crash
    plugging: Plugging
    met = True

    def __init__(self, actor: Actor, seen: Seen, changes: Changes) -> None:
        self._actor, self._seen, self._changes = actor, seen, changes

    def look(self) -> Work[None]:
        """Publish what differs. A question that QEMU refuses degrades the guest, and nothing else."""
        troubles: list[str] = []
        chardevs = yield from self._find_out("query-chardev", troubles)
        devices = yield from self._find_out("qom-list", troubles, {"path": DEVICES})
        status = yield from self._status(troubles)  # the last question, for nothing overtakes its answer
        if self._seen.row is None:
            return
        if chardevs is not None:
            self._seen.found(chardevs)
        known = self._seen.state
        state = known if status is None else states.found(status["status"], known)
        self._seen.publish(state)
        self.agent.found(chardevs or [])
        self._actor.log.info("guest found", pid=self._seen.record.process.identity.pid, state=state.state)
        if state.state != known.state and state.state in states.MISSED and state != states.PAUSED_STARTING:
            self._seen.announce(states.MISSED[state.state], RECONCILED)
        self._seen.degrade("; ".join(troubles))
        if status is not None and not self._seen.looked_at_only:
            yield from self._settle(state, None if devices is None else names(devices))

    def _status(self, troubles: list[str]) -> Work[Any]:
        """As of now: an answer that events or changes have overtaken on their way here is asked for again."""
        heard = -1
        while heard != self._seen.heard:
            heard = self._seen.heard
            status = yield from self._find_out("query-status", troubles)
        return status

    def _find_out(
        self, command: str, troubles: list[str], arguments: dict[str, Any] | None = None
    ) -> Work[Any]:
        try:
            return (yield from self.link.find_out(command, arguments))
        except MonitorError as refused:
            troubles.append(f"{command}: {refused.desc}")
            return None

    def _settle(self, state: State, devices: set[str] | None) -> Work[None]:
        """What was begun by somebody who did not live to end it, and what nobody saw happen."""
        if not (yield from self._devices(devices)):
            return
        for operation in self._changes.unresolved():
            if (yield from self._resumed(operation, state)):
                return
            self._changes.resolve(operation, states.happened(operation.what, state.state))
        if state == states.GUEST_SHUTDOWN:
            self.ladder.powered_off()
        elif state == states.GUEST_CRASHED:
            self.crash.act()
        elif self._seen.record.autodestroy and not self.met:
            self.ladder.autodestroy()
        self.met = True

    def _devices(self, there: set[str] | None) -> Work[bool]:
        """Whether the guest goes on, with devices that are all there or not at all.

        What left while nobody listened counts too: the guest gave it back late, or another client took it.
        """
        unresolved = [each for each in self._changes.unresolved() if each.what.endswith(DEVICE)]
        if unresolved or (there is not None and self.plugging.missing(there)):
            try:
                yield from self.plugging.settle(unresolved, RECONCILED)
            except MonitorError as refused:
                self._seen.degrade(f"devices: {refused.desc}")
        return self._seen.row is not None

    def _resumed(self, operation: Operation, state: State) -> Work[bool]:
        """Whether it goes on from where it was left, and decides what becomes of the guest."""
        if operation.what in ("destroy", "end"):
            self.ladder.resume(operation)
            return True
        if operation.what == "restart" and state.state != states.RUNNING:
            self.ladder.restart(operation)
            return True
        return operation.what == "start" and not (yield from self._complete(operation, state))

    def _complete(self, start: Operation, state: State) -> Work[bool]:
        """It is recorded: all that may be missing is that the guest runs, and that anybody was told."""
        if state == states.PAUSED_STARTING and not start.plan["paused"]:
            try:
                yield from self.link.ask("cont")
            except MonitorError as refused:
                self._seen.degrade(f"start: {refused.desc}")
                return False
            if self._seen.row is None:
                return True  # it has ended meanwhile, and all is told
            self._seen.publish(states.BOOTED)
        self._seen.announce(states.STARTED_BOOTED)
        return True
