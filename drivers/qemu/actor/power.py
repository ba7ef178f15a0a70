"""Power-off and reboot as the guest is asked for them: by its agent, by its power button, or not asked."""

from __future__ import annotations

from concurrent.futures import Future

from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.qemu.actor.agent import Agent
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.actor.seen import Seen
from embervirt.drivers.qemu.errors import AgentRefused, AgentUnresponsive, DomainArgumentUnsupported
from embervirt.errors import OperationInvalid

ACPI, AGENT = 1, 2
"""The bits of virDomainShutdownFlagValues and virDomainRebootFlagValues that QEMU's driver has."""

OBEYED = 60
"""Seconds for a guest that its agent is shutting down (VIR_DOMAIN_QEMU_AGENT_COMMAND_SHUTDOWN)."""

FAILED = (AgentUnresponsive, AgentRefused, DomainArgumentUnsupported, OperationInvalid)


class Power:
    """Used on the actor's thread only."""

    def __init__(self, actor: Actor, seen: Seen, link: Link, agent: Agent) -> None:
        self._actor, self._seen, self._link, self._agent = actor, seen, link, agent
        self._obeyed: Future[str] | None = None

    def shutdown(self, flags: int) -> Work[None]:
        """A domain whose ``on_poweroff`` is ``restart`` reboots."""
        self._seen.check("shutdown")
        yield from self._press(flags, again=self._seen.plan.domain.on_poweroff == "restart")

    def reboot(self, flags: int) -> Work[None]:
        """The power button knows only power-off: QEMU stays, and is reset (``Ladder.powered_off``)."""
        self._seen.check("reboot")
        yield from self._press(flags, again=self._seen.plan.domain.on_reboot != "destroy")

    def reset(self) -> Work[None]:
        """The event is QEMU's."""
        self._seen.check("reset")
        yield from self._link.ask("system_reset")

    def _press(self, flags: int, *, again: bool) -> Work[None]:
        """The agent when it is wanted, or nothing is and it is there; the button unless it is excluded."""
        if flags & AGENT or (not flags and self._agent.connected):
            try:
                yield from self._by_agent("reboot" if again else "powerdown")
            except FAILED:
                if flags & AGENT and not flags & ACPI:
                    raise
            else:
                return
        self._seen.expect_reboot(again)
        yield from self._link.ask("system_powerdown")

    def _by_agent(self, mode: str) -> Work[None]:
        """Replies when the machine says so: the agent has no answer when it obeys."""
        self._agent.path()
        self._seen.expect_reboot(False)
        either: Future[str] = Future()
        self._obeyed = either
        self._actor.work(self._told(mode, either))
        yield either

    def _told(self, mode: str, either: Future[str]) -> Work[None]:
        try:
            yield from self._agent.ask("guest-shutdown", OBEYED, mode=mode)
        except FAILED as failed:
            _settle(either, failed)
        else:
            _settle(either, None)

    def happened(self) -> None:
        """QEMU says that the machine was reset, or shut down."""
        if self._obeyed is not None:
            _settle(self._obeyed, None)


def _settle(either: Future[str], failed: BaseException | None) -> None:
    if either.done():
        return
    if failed is None:
        either.set_result("")
    else:
        either.set_exception(failed)
