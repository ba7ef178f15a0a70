"""Changes of one guest: one at a time, each with its intent and result in the root's journal."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from embervirt import world
from embervirt.actors.actor import Actor
from embervirt.actors.work import Work
from embervirt.drivers.root.journal import Journal, Operating, Operation
from embervirt.errors import OperationTimeout

T = TypeVar("T")


class Changes:
    """Used on the actor's thread only."""

    def __init__(self, actor: Actor, journal: Journal, uuid: str) -> None:
        self._actor, self._journal, self._uuid = actor, journal, uuid
        self._turn: Future[None] | None = None
        self._under_way: set[str] = set()

    @contextmanager
    def begun(self, what: str, **plan: Any) -> Iterator[Operating]:
        """The request in hand as an operation. Raises SystemError_ when its intent cannot be written."""
        id_ = self._actor.bus.operation(self._actor.activity.trace or self._actor.bus.new_trace())
        operation = self._journal.begin(id_, what, self._uuid, plan, self._actor.context.fence)
        self._under_way.add(id_)
        try:
            with operation:
                yield operation
        finally:
            self._under_way.discard(id_)

    def turn(self, what: str) -> Work[Future[None]]:
        """Wait until no other change is under way; complete the future at the end of this one."""
        while self._turn is not None and not self._turn.done():
            yield self._turn
        deadline = self._actor.activity.deadline
        if deadline and world.monotonic() > deadline:
            raise OperationTimeout(f"{what} waited for another change of the guest and was not begun")
        self._turn = Future()
        return self._turn

    def one(self, what: str, work: Work[T]) -> Work[T]:
        """This change, when it is its turn."""
        turn = yield from self.turn(what)
        try:
            with self.begun(what):
                return (yield from work)
        finally:
            turn.set_result(None)

    def unresolved(self) -> list[Operation]:
        """Those of which nobody knows what became of them: begun and not under way."""
        return [each for each in self._journal.open(self._uuid) if each.id not in self._under_way]

    def resolve(self, operation: Operation, happened: bool) -> None:
        """It happened, or did not and will not."""
        self._journal.end(operation.id, "done" if happened else "undone", "", self._actor.context.fence)
