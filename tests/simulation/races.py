"""Two small simulations, of one actor and its callers at one instant; thousands of them take a minute."""

from __future__ import annotations

from typing import Any

from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.bus import Bus
from embervirt.actors.exits import Exit
from embervirt.actors.messages import Request
from embervirt.errors import (
    ActorUnavailable,
    InternalError,
    NotStarted,
    OutcomeUnknown,
)
from embervirt.supervisor.child import ActorHandle, actor_child
from embervirt.supervisor.spec import ChildSpec, Supervision
from embervirt.supervisor.supervisor import Supervisor
from simulation.scheduler import Failure, Scheduler
from simulation.world import World

BUSY = 0.3
"""How likely a thread loses the processor wherever it may: here the interleaving is all."""


class Add(Request[str], frozen=True):
    """Has one effect, and answers with ``text``."""

    text: str


class Adder(Actor):
    """``effects``: texts, by generation, in the order in which they took effect."""

    def __init__(self, context: Context, effects: list[str]) -> None:
        super().__init__(context)
        self._effects = effects

    @handles(Add)
    def add(self, request: Add) -> str:
        """The effect is a commit, like any write."""
        with self.context.fence.guard():
            self._effects.append(request.text)
        return request.text


class Reports:
    """Nobody's supervisor."""

    def ready(self) -> None:
        """It is."""

    def progress(self) -> None:
        """It goes on."""

    def keep(self) -> None:
        """It is."""

    def exited(self, reason: Exit) -> None:
        """It has."""


class Asker:
    """Calls one after the other; ``done`` and ``unknown`` are the texts of those that ended so."""

    def __init__(self, scheduler: Scheduler, bus: Bus, name: str) -> None:
        self._scheduler, self._bus, self.name = scheduler, bus, name
        self.done: list[str] = []
        self.unknown: list[str] = []
        self.refused: list[str] = []

    def ask(self, count: int) -> None:
        """So many, none of which may wait for its deadline."""
        for number in range(count):
            begun = self._scheduler.now
            self._ask(f"{self.name}-{number}")
            if self._scheduler.now - begun > self._bus.seconds / 2:
                raise Failure("each future settles", f"{self.name}-{number} was left to its deadline")

    def _ask(self, text: str) -> None:
        try:
            answer = self._bus.call("adder", Add(text))
        except OutcomeUnknown:
            self.unknown.append(text)
        except (NotStarted, ActorUnavailable):
            self.refused.append(text)
        except InternalError:
            self.unknown.append(text)  # the actor crashed in it
        else:
            self.done.append(text)
            if answer != text:
                raise Failure("no answer of another call", f"{text} was answered with {answer}")


def judge(effects: list[str], askers: list[Asker]) -> None:
    """What is done has happened once, what was refused never, what nobody knows at most once."""
    for asker in askers:
        for texts, allowed in ((asker.done, {1}), (asker.refused, {0}), (asker.unknown, {0, 1})):
            for text in texts:
                if effects.count(text) not in allowed:
                    raise Failure("done or unknown, and as it says", f"{text}: {effects.count(text)} times")


def ask_racing_stop(seed: int) -> Scheduler:
    """L03: callers ask while the actor is stopped or crashes."""
    scheduler = Scheduler(seed, BUSY)
    world = World(scheduler)

    def main() -> None:
        bus, effects = Bus(), list[str]()
        adder = actor_child("adder", lambda context: Adder(context, effects), bus)
        root = ChildSpec(id="root", supervision=Supervision(intensity=100), children=(adder,))
        supervisor = Supervisor(root, bus)
        supervisor.start().result(5)
        askers = [Asker(scheduler, bus, f"asker{n}") for n in range(3)]
        threads = [_thread(world, asker.name, lambda asker=asker: asker.ask(3)) for asker in askers]
        scheduler.let_pass(scheduler.random.random() * 0.001)
        if scheduler.random.random() < 0.5:
            supervisor.crash(("root", "adder"), RuntimeError("crashed on purpose"))
        supervisor.stop_child(("root", "adder")).result(5)
        for thread in threads:
            thread.join()
        judge(effects, askers)
        if not (supervisor.close(5) and bus.close()):
            raise Failure("it ends", "the supervisor or the bus did not")

    with world.in_place():
        scheduler.run(main)
    return scheduler


def reply_racing_fence(seed: int) -> Scheduler:
    """G14: the actor is given up while it handles a call; its successor handles the next."""
    scheduler = Scheduler(seed, BUSY)
    world = World(scheduler)

    def main() -> None:
        bus, effects = Bus(), list[str]()
        handle, before = _launched(bus, 1, effects, None)
        asker = Asker(scheduler, bus, "asker")
        thread = _thread(world, "asker", lambda: asker.ask(2))
        scheduler.let_pass(scheduler.random.random() * 0.0006)
        handle.fence()
        successor, _ = _launched(bus, 2, effects, before)
        thread.join()
        judge(effects, [asker])
        successor.stop()
        scheduler.until(lambda: not successor.alive and not handle.alive, (), scheduler.now + 1)
        if not bus.close():
            raise Failure("it ends", "the bus did not")

    with world.in_place():
        scheduler.run(main)
    return scheduler


def _launched(bus: Bus, generation: int, effects: list[str], before: Any) -> tuple[ActorHandle, Any]:
    context = Context("adder", generation, bus, Reports(), before=before)
    bus.routes.expect("adder")
    actor = Adder(context, effects)
    actor.launch()
    return ActorHandle(actor), context.fence


def _thread(world: World, name: str, run: Any) -> Any:
    thread = world.threading.Thread(target=run, name=name)
    thread.start()
    return thread


SMALL = {"l03": ask_racing_stop, "g14": reply_racing_fence}
"""By the test ids that they serve."""
