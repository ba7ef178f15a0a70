"""An actor as a supervisor's child."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from embervirt.actors.activity import Activity
from embervirt.actors.actor import Actor, Context, Stop
from embervirt.actors.bus import Bus
from embervirt.actors.fence import Fence, Fenced
from embervirt.supervisor.spec import ChildSpec, Stack, Starting


@dataclass(frozen=True)
class ActorHandle:
    """Holds a running actor; every call only posts to it."""

    actor: Actor

    @property
    def activity(self) -> Activity:
        return self.actor.activity

    @property
    def alive(self) -> bool:
        return bool(self.actor.thread.is_alive())

    @property
    def refused(self) -> int:
        return self.actor.context.fence.refused

    def stack(self) -> Stack:
        frame = sys._current_frames().get(self.actor.thread.ident)
        frames = list(traceback.walk_stack(frame)) if frame is not None else []
        modules = frozenset(str(each.f_globals.get("__name__")) for each, _ in frames)
        return Stack("".join(traceback.StackSummary.extract(reversed(frames)).format()), modules)

    def stop(self) -> None:
        self.actor.post(Stop())

    def cancel(self, activity: Activity) -> int:
        return self.actor.cancel(activity)

    def fence(self) -> None:
        context = self.actor.context
        context.fence.close()
        context.bus.routes.down(context.name, context.generation, "given up by its supervisor")
        self.actor.cancellers.call()
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
    before: Fence | None = None

    def start(starting: Starting) -> ActorHandle:
        nonlocal before
        context = Context(called, starting.generation, bus, starting, uses, before)
        before = context.fence
        actor = make(context)
        actor.launch()
        return ActorHandle(actor)

    return ChildSpec(id=id_, start=start, name=called, **spec)
