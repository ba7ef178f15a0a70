"""A server actor that does what its messages say, and a stage to run actors on without a supervisor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from embervirt.actors.actor import Actor, Context, Stop, handles
from embervirt.actors.bus import Bus
from embervirt.actors.exits import Exit
from embervirt.actors.messages import Event, Message, Request
from embervirt.actors.routes import Pending
from embervirt.errors import OperationInvalid

PATIENCE = 20.0
"""Seconds after which a test that waits for an event has failed."""


class Echo(Request[str], frozen=True):
    """Reads: sent again to a successor."""

    safe = True
    text: str


class Count(Request[int], frozen=True):
    """Changes something: how often was it asked?"""


class Fail(Request[None], frozen=True):
    """Raises what is called ``how``, after it changed something."""

    how: str


class Hold(Request[str], frozen=True):
    """Blocks until the test opens ``gate``."""


class Later(Request[str], frozen=True):
    """Its reply is a Future that the test completes."""


class Wrong(Request[int], frozen=True):
    """Answered with a text."""


class Ask(Request[str], frozen=True):
    """Asks another actor."""

    name: str
    text: str


class Note(Message, frozen=True):
    """No reply."""

    text: str


class Happened(Event, frozen=True):
    """An event."""

    n: int


class Unprintable(Exception):
    """Its author did it wrong."""

    def __str__(self) -> str:
        raise ValueError("no text")


RAISES: dict[str, Callable[[], BaseException]] = {
    "expected": lambda: OperationInvalid("not in this state", int1=7),
    "error": lambda: ValueError("secret-looking text"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "unprintable": Unprintable,
}


class Server(Actor):
    """What it shares with the test and with its successors is in ``world``."""

    def __init__(self, context: Context, world: World) -> None:
        super().__init__(context)
        self.world = world
        self.count = 0

    def setup(self) -> None:
        """May be told to fail, once for each error in ``world.starts``."""
        self.world.setups.append(self.context.generation)
        self.resources.callback(self.world.released.put, self.context.generation)
        if self.world.starts:
            raise self.world.starts.pop(0)
        if self.world.blocked_starts:
            self.world.blocked_starts -= 1
            self.world.held.put(self)
            self.world.gate.wait(PATIENCE)

    def teardown(self) -> None:
        """Known to the test."""
        self.world.teardowns.append(self.context.generation)
        if self.world.bad_teardown is not None:
            raise self.world.bad_teardown

    @handles(Echo)
    def echo(self, request: Echo) -> str:
        """The text."""
        return request.text

    @handles(Count)
    def add(self, _: Count) -> int:
        """How often, in this generation; ``world.effects`` has all."""
        self.count += 1
        self.world.effects += 1
        return self.count

    @handles(Fail)
    def fail(self, request: Fail) -> None:
        """After a change."""
        self.count += 100
        raise RAISES[request.how]()

    @handles(Hold)
    def hold(self, _: Hold) -> str:
        """In hand until the gate opens; then it does what ``world.after`` says."""
        self.world.held.put(self)
        self.world.gate.wait(PATIENCE)
        self.world.after(self)
        return "held"

    @handles(Later)
    def later(self, _: Later) -> Future[str]:
        """The test has the other end."""
        future: Future[str] = Future()
        self.world.futures.put(future)
        return future

    @handles(Wrong)
    def wrong(self, _: Wrong) -> Any:
        """Not what the message promises."""
        return "one"

    @handles(Ask)
    def ask(self, request: Ask) -> str:
        """Passes on what it hears."""
        return self.call(request.name, Echo(request.text))

    @handles(Note)
    def note(self, message: Note) -> None:
        """Known to the test."""
        self.world.notes.put(message.text)


class World:
    """What a test sees of its server's generations, and tells them."""

    def __init__(self) -> None:
        self.starts: list[BaseException] = []
        self.blocked_starts = 0
        self.bad_teardown: BaseException | None = None
        self.setups: list[int] = []
        self.teardowns: list[int] = []
        self.effects = 0
        self.gate = threading.Event()
        self.held: SimpleQueue[Server] = SimpleQueue()
        self.futures: SimpleQueue[Future[str]] = SimpleQueue()
        self.notes: SimpleQueue[str] = SimpleQueue()
        self.released: SimpleQueue[int] = SimpleQueue()
        self.after: Callable[[Server], None] = lambda server: None


class Reports:
    """A supervisor that only listens."""

    def __init__(self) -> None:
        self.is_ready = threading.Event()
        self.exits: SimpleQueue[Exit] = SimpleQueue()

    def ready(self) -> None:
        """The actor is up."""
        self.is_ready.set()

    def progress(self) -> None:
        """The actor's start takes long."""

    def keep(self) -> None:
        """The actor's start must not be the last."""

    def exited(self, reason: Exit) -> None:
        """The actor ended."""
        self.exits.put(reason)

    def exit(self) -> Exit:
        """Waits for the end."""
        return self.exits.get(timeout=PATIENCE)


class Stage:
    """A bus with actors on it; ``close`` ends them."""

    def __init__(self, mailbox: int = 1000) -> None:
        self.bus = Bus(PATIENCE, mailbox)
        self.world = World()
        self.admissions = 0
        self._admitted = threading.Condition()
        self._admit_itself = self.bus.routes.admit
        self.bus.routes.admit = self._admit  # type: ignore[method-assign]
        self.reports: list[Reports] = []
        self.actors: list[Actor] = []

    def start(
        self, name: str = "server", generation: int = 1, uses: frozenset[str] = frozenset()
    ) -> tuple[Server, Reports]:
        """A server that is up."""
        reports = Reports()
        server = Server(Context(name, generation, self.bus, reports, uses), self.world)
        self.launch(server, reports)
        assert reports.is_ready.wait(PATIENCE)
        return server, reports

    def launch(self, actor: Actor, reports: Reports) -> None:
        """Any actor, without waiting for it."""
        self.actors.append(actor)
        self.reports.append(reports)
        actor.launch()

    def _admit(self, name: str, caller: bytes, deadline: float) -> Pending:
        pending = self._admit_itself(name, caller, deadline)
        with self._admitted:
            self.admissions += 1
            self._admitted.notify_all()
        return pending

    def in_flight(self, name: str, calls: int) -> None:
        """Waits until that many calls to it are under way."""
        with self._admitted:
            assert self._admitted.wait_for(lambda: self.bus.routes.in_flight(name) >= calls, PATIENCE)

    def admitted(self, calls: int) -> None:
        """Waits until that many calls were ever admitted."""
        with self._admitted:
            assert self._admitted.wait_for(lambda: self.admissions >= calls, PATIENCE)

    def close(self) -> None:
        """Every actor ends, then the bus, with nothing of it left."""
        self.world.gate.set()
        for actor in self.actors:
            actor.post(Stop())
        for actor, reports in zip(self.actors, self.reports, strict=True):
            if reports.exits.empty() and not actor.inbox._closed:
                reports.exit()
        assert closed(self.bus)


def closed(bus: Bus) -> bool:
    """Whether it ends with nothing of it left: those who are woken by its end have their time to let go."""
    until = time.monotonic() + PATIENCE
    while not bus.close():
        if time.monotonic() > until:
            return False
    return True


def block(actor: Actor) -> threading.Event:
    """Keeps the actor in a task until the event that this answers is set."""
    held, gate = threading.Event(), threading.Event()

    def task() -> None:
        held.set()
        gate.wait(PATIENCE)

    actor.post(task)
    assert held.wait(PATIENCE)
    return gate


@contextmanager
def staged(mailbox: int = 1000) -> Iterator[Stage]:
    """A stage that is closed at the end."""
    stage = Stage(mailbox)
    try:
        yield stage
    finally:
        stage.close()


class Asking:
    """A call on a thread of its own."""

    def __init__(self, bus: Bus, name: str, request: Request[Any], deadline: float | None = None) -> None:
        self.result: Future[Any] = Future()
        self._thread = threading.Thread(target=self._run, args=(bus, name, request, deadline), daemon=True)
        self._thread.start()

    def _run(self, bus: Bus, name: str, request: Request[Any], deadline: float | None) -> None:
        try:
            self.result.set_result(bus.call(name, request, deadline=deadline))
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.result.set_exception(error)

    def outcome(self) -> Any:
        """The reply, or the error."""
        error = self.result.exception(PATIENCE)
        self._thread.join()
        return self.result.result() if error is None else error
