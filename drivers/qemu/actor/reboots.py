"""Reboots of one guest as events: each is told, but a storm of them not one by one."""

from __future__ import annotations

from embervirt import world
from embervirt.actors.actor import Actor
from embervirt.drivers.qemu.messages import Rebooted
from embervirt.drivers.qemu.plan import Plan

APART = 0.1
"""Seconds: reboots that follow faster are told together."""


class Reboots:
    """The first is told at once; what comes within ``APART`` of an event is counted for the next."""

    def __init__(self, actor: Actor, plan: Plan) -> None:
        self._actor, self._plan = actor, plan
        self._waiting, self._told = 0, False

    def happened(self) -> None:
        """QEMU reset the machine."""
        self._waiting += 1
        if not self._told:
            self._next()

    def _next(self) -> None:
        self._told = self._waiting > 0
        self.tell()
        if self._told:
            self._actor.inbox.at(world.monotonic() + APART, self._next)

    def tell(self) -> None:
        """What has not been told yet, now."""
        if self._waiting:
            domain = self._plan.domain
            self._actor.publish(Rebooted(domain.name, domain.uuid, self._plan.id, self._waiting))
            self._waiting = 0
