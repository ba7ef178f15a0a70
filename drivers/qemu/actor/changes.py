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
    """Of one run of a guest, whose ``id`` is in each plan. Used on the actor's thread only."""

    def __init__(self, actor: Actor, journal: Journal, uuid: str, id_: int) -> None:
        self._actor, self._journal, self._uuid, self._run = actor, journal, uuid, id_
        self._turn: Future[None] | None = None
        self._under_way: set[str] = set()
        self._current: Operating | None = None

    @contextmanager
    def begun(self, what: str, **plan: Any) -> Iterator[Operating]:
        """A new operation. Raises SystemError_ when its intent cannot be written."""
        planned, fence = {"id": self._run, **plan}, self._actor.context.fence
        operation = self._journal.begin(self._id(), what, self._uuid, planned, fence)
        with self._held(operation):
            yield operation

    def _id(self) -> str:
        """Of the request in hand; what comes of that beside it, a finding say, has an id of its own."""
        bus = self._actor.bus
        id_ = bus.operation(self._actor.activity.trace or bus.new_trace())
        return id_ if self._journal.find(id_) is None else bus.operation(bus.new_trace())

    @contextmanager
    def resumed(self, operation: Operation) -> Iterator[Operating]:
        """One that was begun before, and is gone on with."""
        operating = Operating(self._journal, operation.id, self._actor.context.fence)
        with self._held(operating):
            yield operating

    @contextmanager
    def _held(self, operating: Operating) -> Iterator[None]:
        self._under_way.add(operating.id)
        try:
            with operating:
                yield
        finally:
            self._under_way.discard(operating.id)

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
            with self.begun(what) as self._current:
                return (yield from work)
        finally:
            self._current = None
            turn.set_result(None)

    def mark(self, step: str) -> None:
        """A step of the change whose turn it is. Raises OperationAborted when that was cancelled."""
        if self._current is not None:
            self._current.mark(step)

    def start(self) -> Operation | None:
        """That of this run, if it is remembered."""
        mine = (each for each in reversed(self._journal.values()) if each.subject == self._uuid)
        return next((each for each in mine if (each.what, each.plan["id"]) == ("start", self._run)), None)

    def unresolved(self) -> list[Operation]:
        """Those of which nobody knows what became of them: begun and not under way."""
        return [each for each in self._open() if each.id not in self._under_way]

    def _open(self) -> list[Operation]:
        """An earlier run's are not ours."""
        return [each for each in self._journal.open(self._uuid) if each.plan["id"] == self._run]

    def resolve(self, operation: Operation, happened: bool) -> None:
        """It happened, or did not and will not."""
        self._journal.end(operation.id, "done" if happened else "undone", "", self._actor.context.fence)

    def resolve_all(self) -> None:
        """The guest is gone, and with it what anybody is still waiting for."""
        for operation in self._open():
            self.resolve(operation, operation.what in ("destroy", "end"))
