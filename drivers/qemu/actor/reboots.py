"""Reboots of one guest as events."""

from __future__ import annotations

from embervirt import world
from embervirt.actors.actor import Actor
from embervirt.drivers.qemu.messages import Rebooted
from embervirt.drivers.qemu.plan import Plan

SAME = 0.5
"""Seconds after a reset in which further ones are of the same reboot: SeaBIOS resets the machine once more
when its memory shows that it has run before (40 ms later under TCG). So a storm is told at a bounded rate."""


class Reboots:
    """Used on the actor's thread only."""

    def __init__(self, actor: Actor, plan: Plan) -> None:
        self._actor, self._plan, self._until = actor, plan, 0.0

    def happened(self) -> None:
        """QEMU reset the machine."""
        now, domain = world.monotonic(), self._plan.domain
        if now >= self._until:
            self._until = now + SAME
            self._actor.publish(Rebooted(domain.name, domain.uuid, self._plan.id))
