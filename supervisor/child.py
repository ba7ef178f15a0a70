"""An actor as a supervisor's child."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from embervirt.actors.actor import Actor, Context, Stop
from embervirt.actors.bus import Bus
from embervirt.actors.fence import Fenced
from embervirt.supervisor.spec import ChildSpec, Starting


@dataclass(frozen=True)
class ActorHandle:
    """Holds a running actor; every call only posts to it."""

    actor: Actor

    def stop(self) -> None:
        self.actor.post(Stop())

    def fence(self) -> None:
        context = self.actor.context
        context.fence.close()
        context.bus.routes.down(context.name, context.generation, "given up by its supervisor")
        self.actor.post(Fenced(f"generation {context.generation} of {context.name} was given up"))

    def crash(self, error: BaseException) -> None:
        self.actor.post(error)


def actor_child(
    id_: str,
    make: Callable[[Context], Actor],
    bus: Bus,
    *,
    name: str = "",
    uses: frozenset[str] = frozenset(),
    **spec: Any,
) -> ChildSpec:
    """The specification of an actor called ``name`` (default: ``id_``) on ``bus``."""
    called = name or id_

    def start(starting: Starting) -> ActorHandle:
        actor = make(Context(called, starting.generation, bus, starting, uses))
        actor.launch()
        return ActorHandle(actor)

    return ChildSpec(id=id_, start=start, name=called, **spec)
