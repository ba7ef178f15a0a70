"""A guest as a supervisor's child: dynamic, with a restart budget of its own, never stopped by a failure."""

from __future__ import annotations

from embervirt.drivers.qemu.actor.guest import Guest
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.plan import Plan
from embervirt.supervisor.processes import PROCESSES_ACTOR
from embervirt.supervisor.spec import ChildSpec

USES = frozenset({"secret", "storage", "network", PROCESSES_ACTOR})


def guest_spec(plan: Plan, face: Face) -> ChildSpec:
    """Transient: it ends with its guest. When it fails too often it is quarantined, and the guest runs on."""
    return face.child(
        plan.child,
        lambda context: Guest(context, face, plan),
        name=plan.actor,
        uses=USES,
        restart="transient",
        on_give_up="quarantine",
        on_trial=not plan.recorded,
        start_timeout=face.settings.qemu.start_timeout + 5,
    )
