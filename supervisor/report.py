"""What the world is told of a supervision tree: one failure report, one picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from embervirt.actors.activity import IDLE, Activity
from embervirt.actors.messages import Event
from embervirt.supervisor.policy import GivingUp, Restarting
from embervirt.supervisor.state import Child, Failed

NOTHING: Mapping[Any, Any] = MappingProxyType({})
UNSETTLED = ("starting", "stopping", "restarting")


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


class SlowOperation(Event, frozen=True):
    """An operation has held its actor's thread for ``age`` seconds, longer than it may.

    ``asks``: the actor whose answer it waits for; ``cycle``: those who wait for each other, if that is why.
    """

    child: str
    generation: int
    operation: str
    age: float
    asks: str
    cycle: tuple[str, ...]
    stack: str


class HealthChanged(Event, frozen=True):
    """What keeps the root from being whole has changed to ``reasons``; it is whole again when there are none.

    Each begins with a word: ``restart_required``, ``io``, ``watchdog``, ``supervisor``; ``exchange`` and
    ``events`` are threads that carry messages.
    """

    reasons: tuple[str, ...]


class Exited(msgspec.Struct, frozen=True):
    """One of the last exits of a child; ``at`` in monotonic seconds."""

    generation: int
    at: float
    reason: str
    doing: str
    traceback: str = ""


class Zombie(msgspec.Struct, frozen=True):
    """A generation that was given up ``age`` seconds ago, and whose thread has not ended.

    ``refused``: effects that it tried to have since.
    """

    generation: int
    age: float
    operation: str
    refused: int
    stack: str


class Node(msgspec.Struct, frozen=True):
    """A child at one moment. ``state``: down, starting, up, stopping, restarting, quarantined, degraded.

    ``why``: it is in quarantine, or what it cannot do at present. ``zombies``: generations that were given up
    and whose threads last.
    """

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
    zombies: list[Zombie] = []


class Health(msgspec.Struct, frozen=True):
    """Of a whole root: what keeps it from being whole, its children by state, by path those given up."""

    degraded: list[str]
    states: dict[str, int]
    zombies: dict[str, list[Zombie]]


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


def unsettled(child: Child, activities: Mapping[Child, Activity], now: float) -> list[str]:
    """Of ``child`` and all below it, the actors that are neither up nor down, and what they do so long."""
    lagging = [each for each in child.walk() if each.spec.supervision is None and _state(each) in UNSETTLED]
    return [_lags(each, activities.get(each, IDLE), now) for each in lagging]


def _lags(child: Child, activity: Activity, now: float) -> str:
    doing = f" ({activity.operation} for {now - activity.started:.3g} s)" if activity.operation else ""
    last = f" after {child.exits[-1][2]}" if _state(child) == "restarting" and child.exits else ""
    return f"{'/'.join(child.path)} is {_state(child)}{last}{doing}"


def picture(
    child: Child, degraded: Mapping[str, str] = NOTHING, zombies: Mapping[Child, list[Zombie]] = NOTHING
) -> Node:
    """``child`` and all below it; ``degraded``: by name, or by path of a supervisor, what it cannot do."""
    flags, state = child.spec.supervision, _state(child)
    lacks = degraded.get(child.spec.name or "/".join(child.path), "") if state == "up" else ""
    return Node(
        id=child.spec.id,
        kind="actor" if flags is None else "supervisor",
        state="degraded" if lacks else state,
        generation=child.generation,
        restart=child.spec.restart,
        restarts=max(0, child.generation - 1),
        failures=child.failures,
        why=child.quarantined or lacks,
        strategy="" if flags is None else flags.strategy,
        exits=[Exited(g, at, str(why), why.doing, why.traceback()) for g, at, why in list(child.exits)],
        children=[picture(each, degraded, zombies) for each in list(child.children.values())],
        zombies=zombies.get(child, []),
    )


def health(root: Node, degraded: Sequence[str], limbo: Mapping[Child, list[Zombie]] = NOTHING) -> Health:
    """Of the tree below ``root``, and of all that were given up, in the tree or not any more."""
    nodes = dict(_walk(root, ""))
    states = Counter(each.state for each in nodes.values())
    zombies: dict[str, list[Zombie]] = {}
    for child, given_up in limbo.items():
        zombies.setdefault("/".join(child.path), []).extend(given_up)
    lacking = [f"{path}: {n.why}" for path, n in nodes.items() if n.state == "degraded" and n is not root]
    return Health([*degraded, *lacking], dict(states), zombies)


def _walk(node: Node, above: str) -> Iterator[tuple[str, Node]]:
    yield above + node.id, node
    for child in node.children:
        yield from _walk(child, f"{above}{node.id}/")


def to_builtins(node: Node) -> dict[str, Any]:
    """For JSON."""
    built: dict[str, Any] = msgspec.to_builtins(node)
    return built
