"""A real tree: the supervisor's thread, a bus, and servers that do what a test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from embervirt.actors.bus import Bus
from embervirt.supervisor.child import actor_child
from embervirt.supervisor.spec import Backoff, ChildSpec
from embervirt.supervisor.supervisor import Supervisor
from embervirt.supervisor.watch import Limits
from unit.actors.harness import PATIENCE, Server, World, closed
from unit.supervisor.world import AT_ONCE, supervisor

ROOT = ("root",)
SLOW = Backoff(initial=1000, cap=1000, jitter=0)
"""A second failure is not tried again while a test runs."""


class Root:
    """A bus and a supervised tree on it."""

    def __init__(self) -> None:
        self.bus = Bus(PATIENCE)
        self.worlds: dict[str, World] = {}
        self.failed: SimpleQueue[str] = SimpleQueue()
        self.limits = Limits()
        self.supervisor: Supervisor

    def child(self, id_: str, **spec: Any) -> ChildSpec:
        """A server of that name, with a world of its own."""
        world = self.worlds[id_] = World()
        return actor_child(
            id_, lambda context: Server(context, world), self.bus, **{"backoff": AT_ONCE, **spec}
        )

    def build(self, *children: ChildSpec, **flags: Any) -> Supervisor:
        """Not started."""
        spec = supervisor("root", children, **flags)
        self.supervisor = Supervisor(spec, self.bus, on_failed=self.failed.put, limits=self.limits)
        return self.supervisor

    def open(self, *children: ChildSpec, **flags: Any) -> Supervisor:
        """All up."""
        self.build(*children, **flags).start().result(PATIENCE)
        return self.supervisor

    def held(self, id_: str) -> Server:
        """The generation that took a Hold, or a blocked start, in hand."""
        return self.worlds[id_].held.get(timeout=PATIENCE)

    def generation(self, id_: str) -> int:
        """As the picture shows."""
        return next(each.generation for each in self.supervisor.picture().children if each.id == id_)

    def crash(self, *path: str) -> None:
        """The error is in the actor's lane when this answers: before any call that comes later."""
        self.supervisor.crash(path, RuntimeError("boom"))
        settled(self.supervisor)

    def close(self) -> None:
        """Everything ends, and nothing is left."""
        for world in self.worlds.values():
            world.gate.set()
        assert self.supervisor.close(PATIENCE)
        assert closed(self.bus)


def settled(supervisor: Supervisor) -> None:
    """Whatever was posted before was carried out, with all that follows from it at once."""
    for _ in range(2):
        done = threading.Event()
        supervisor.post(lambda now, done=done: done.set())  # type: ignore[misc]
        assert done.wait(PATIENCE)


def wait_for(sup: Supervisor, id_: str, of: Callable[[Any], Any]) -> Any:
    """What the picture shows of a child, once it shows something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        settled(sup)
        if value := of(next(each for each in sup.picture().children if each.id == id_)):
            return value
    raise AssertionError(sup.picture())
