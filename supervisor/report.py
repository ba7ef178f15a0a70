"""What the world is told of a supervision tree: one failure report, one picture."""

from __future__ import annotations

from typing import Any

import msgspec

from embervirt.actors.messages import Event
from embervirt.supervisor.policy import GivingUp, Restarting
from embervirt.supervisor.state import Child, Failed


class ChildFailed(Event, frozen=True):
    """One failure, the same fields each time. ``context`` is OTP's: start_error, child_terminated or, of one
    that was being stopped, shutdown_error.

    ``decision``: ``restart in N s``, ``give up: why`` or ``drop``; ``restarts``: within the window.
    """

    supervisor: str
    context: str
    reason: str
    child: str
    generation: int
    restarts: int
    decision: str
    doing: str


class Exited(msgspec.Struct, frozen=True):
    """One of the last exits of a child; ``at`` in monotonic seconds."""

    generation: int
    at: float
    reason: str
    doing: str


class Node(msgspec.Struct, frozen=True):
    """A child at one moment. ``state``: down, starting, up, stopping, restarting, quarantined."""

    id: str
    kind: str
    state: str
    generation: int
    restart: str
    restarts: int
    failures: int
    why: str
    strategy: str
    exits: list[Exited]
    children: list[Node]


def failed(action: Failed) -> ChildFailed:
    """The report of a failure."""
    child, decision = action.child, action.decision
    context = "start_error" if action.reason.kind.startswith("start") else "child_terminated"
    context = "shutdown_error" if action.asked else context
    what, count = "drop", 0
    if isinstance(decision, Restarting):
        due = decision.due - action.at
        what, count = f"restart in {due:.3g} s" if due > 0 else "restart now", len(decision.log)
    elif isinstance(decision, GivingUp):
        what, count = f"give up: {decision.why}", len(decision.log)
    return ChildFailed(
        "/".join(child.path[:-1]), context, str(action.reason), child.spec.id, action.generation, count, what,
        action.reason.doing,
    )  # fmt: skip


def _state(child: Child) -> str:
    if child.quarantined:
        return "quarantined"
    return "restarting" if child.phase == "down" and child.wanted and child.generation else child.phase


def picture(child: Child) -> Node:
    """``child`` and all below it."""
    flags = child.spec.supervision
    return Node(
        id=child.spec.id,
        kind="actor" if flags is None else "supervisor",
        state=_state(child),
        generation=child.generation,
        restart=child.spec.restart,
        restarts=max(0, child.generation - 1),
        failures=child.failures,
        why=child.quarantined,
        strategy="" if flags is None else flags.strategy,
        exits=[Exited(g, at, str(reason), reason.doing) for g, at, reason in list(child.exits)],
        children=[picture(each) for each in list(child.children.values())],
    )


def to_builtins(node: Node) -> dict[str, Any]:
    """For JSON."""
    built: dict[str, Any] = msgspec.to_builtins(node)
    return built
