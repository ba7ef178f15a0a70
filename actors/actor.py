"""The base of every actor: a Pykka actor whose inbox is a ZeroMQ socket, and which crashes honestly.

An error of the tree raised by a handler is a reply. Anything else is replied *and* ends the actor,
so that no half-made state is used again. Nothing leaves the thread: a SystemExit in a handler ends
this actor only. Pykka's global registry never knows our actors, so a foreign ``stop_all`` finds
none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import pykka
from msgspec import MsgspecError
from pykka._envelope import Envelope

from embervirt import world
from embervirt.actors import codec
from embervirt.actors.bus import Bus
from embervirt.actors.exits import NORMAL, SHUTDOWN, Exit
from embervirt.actors.fence import Fence
from embervirt.actors.inbox import Inbox, Mail
from embervirt.actors.messages import Event, Failure, Header, Message, ReplyHeader, Request
from embervirt.actors.routes import Pending
from embervirt.errors import InvalidArgument, OperationAborted, libvirtError
from embervirt.log import get_logger

R = TypeVar("R")
H = TypeVar("H", bound=Callable[..., Any])


class Reports(Protocol):
    """Who wants to know how the actor fares: its supervisor."""

    def ready(self) -> None: ...
    def exited(self, reason: Exit) -> None: ...


@dataclass(frozen=True)
class Context:
    """What an actor is given: its stable ``name``, this ``generation``, the bus, whom it may call."""

    name: str
    generation: int
    bus: Bus
    reports: Reports
    uses: frozenset[str] = frozenset()
    fence: Fence = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fence", Fence(self.name, self.generation))

    @property
    def address(self) -> bytes:
        """Where the exchange finds this generation."""
        return f"{self.name}#{self.generation}".encode()


class Activity(NamedTuple):
    """What the actor is doing: the operation, since when, until when (monotonic seconds)."""

    operation: str = ""
    started: float = 0.0
    deadline: float = 0.0
    trace: int = 0


class Stop(Exception):
    """Control: end in order."""


IDLE = Activity()


def handles(*messages: type[Message]) -> Callable[[H], H]:
    """Mark the method that answers these messages."""

    def mark(method: H) -> H:
        method.handles = messages  # type: ignore[attr-defined]
        return method

    return mark


class Actor(pykka.ThreadingActor):
    """Subclasses say what they do in ``setup`` and in methods marked with ``handles``.

    ``resources`` is closed at the end of the generation, whatever ended it.
    """

    handlers: ClassVar[dict[type[Message], str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {m: name for name, f in vars(cls).items() for m in getattr(f, "handles", ())}
        cls.handlers = {**cls.handlers, **own}

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.bus = context.bus
        self.resources = ExitStack()
        self.activity = IDLE
        self.logged = get_logger(actor=context.name, generation=context.generation)
        self._exit: Exit = Exit("lost")

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @property
    def log(self) -> Any:
        """The log, with the request in hand on every line."""
        return self.logged.bind(request=self.activity.trace) if self.activity.trace else self.logged

    @property
    def inbox(self) -> Inbox:
        """The inbox under its own type."""
        assert isinstance(self.actor_inbox, Inbox)
        return self.actor_inbox

    def launch(self) -> None:
        """Start the thread. Pykka's ``start`` would also list the actor in the global registry."""
        world.Thread(target=self._actor_loop, name=f"embervirt-{self.context.name}", daemon=True).start()

    # What subclasses override.

    def setup(self) -> None:
        """Rebuild the state from disk and from the world; on the actor's thread, before it is ready."""

    def teardown(self) -> None:
        """Called at an orderly stop only."""

    # The life of the thread.

    def _actor_loop(self) -> None:
        try:
            super()._actor_loop()
        except BaseException as error:  # noqa: BLE001 - the inbox failed: the root is closed, most likely
            self._die("error", error)
        finally:
            self._end()

    def _actor_loop_setup(self) -> None:
        try:
            self.inbox.open(self.bus.context, self.context.address)
            self.setup()
            with self.context.fence.guard():
                self.bus.routes.up(self.context.name, self.context.generation)
        except BaseException as error:  # noqa: BLE001 - the crash boundary: the supervisor decides
            self._die("start_failed", error)
        else:
            self.context.reports.ready()

    def _die(self, kind: Any, error: BaseException) -> None:
        self._exit = Exit(kind, error, self.activity.operation)
        self.actor_stopped.set()

    def finish(self, reason: Exit = NORMAL) -> None:
        """End after the message in hand, as ``reason``."""
        self._exit = reason
        self.actor_stopped.set()

    def _end(self) -> None:
        """Callers are told first; the supervisor last, for a successor may need what is released here."""
        name, generation = self.context.name, self.context.generation
        self.bus.routes.down(name, generation, str(self._exit), self._notify)
        try:
            self.resources.close()
        except BaseException as error:  # noqa: BLE001 - a failing release must not hide the exit
            self._exit = Exit("error", error, "release", f"{Exit('error', error)} after {self._exit}")
        self.inbox.close()
        self.context.reports.exited(self._exit)

    def _notify(self, pending: Pending, failure: Failure) -> None:
        header = ReplyHeader(pending.id, False, pending.generation)
        self.inbox.reply(pending.caller, codec.encode(header), codec.encode(failure))

    # Messages.

    def on_receive(self, message: Any) -> None:
        """Called by Pykka for every envelope."""
        try:
            if isinstance(message, Mail):
                self._mail(message)
            else:
                self._control(message)
        except BaseException as error:  # noqa: BLE001 - the crash boundary: the supervisor decides
            self._die("error", error)
        finally:
            self.activity = IDLE

    def _control(self, message: Any) -> None:
        if isinstance(message, Stop):
            self.activity = Activity("stop", world.monotonic())
            self.context.fence.check()
            self.finish(SHUTDOWN)
            self.teardown()
        elif isinstance(message, BaseException):
            raise message
        else:
            self.activity = Activity(getattr(message, "__qualname__", "task"), world.monotonic())
            message()

    def post(self, task: Callable[[], None] | BaseException) -> None:
        """From any thread: run ``task`` on the actor's thread before its mail; an exception kills it."""
        self.inbox.put(Envelope(task))

    def _mail(self, mail: Mail) -> None:
        try:
            header = codec.decode_header(mail.header)
        except MsgspecError as error:
            self.log.warning("malformed message dropped", error=str(error))
            return
        if header.id and not self.bus.routes.begin(header.id):
            return
        what = header.kind.rpartition(".")[2]
        self.activity = Activity(what, world.monotonic(), header.deadline, header.trace)
        self._answer(mail.caller, header, lambda: self.handle(self._decoded(header, mail.body)))

    def _decoded(self, header: Header, body: bytes) -> Message:
        try:
            return codec.decode_message(header.kind, body)
        except (MsgspecError, KeyError) as error:
            what = f"{self.context.name} cannot read a {header.kind}: {error}"
            self.log.warning("malformed message refused", error=what)
            raise InvalidArgument(what) from error

    def _answer(self, caller: bytes, header: Header, produce: Callable[[], Any]) -> None:
        try:
            result = produce()
        except libvirtError as error:
            self._reply(caller, header, error)
        except BaseException as error:
            self._crashed(caller, header, error)
            raise
        else:
            if isinstance(result, Future):
                self._defer(caller, header, result)
            else:
                self._reply(caller, header, result)

    def _crashed(self, caller: bytes, header: Header, error: BaseException) -> None:
        """From now on callers wait for the successor; then the asker gets the error, and the rest is told."""

        def notify(pending: Pending, failure: Failure) -> None:
            if pending.id == header.id:
                self._reply(caller, header, error)
            else:
                self._notify(pending, failure)

        why = str(Exit("error", error))
        self.bus.routes.down(self.context.name, self.context.generation, why, notify)

    def _defer(self, caller: bytes, header: Header, future: Future[Any]) -> None:
        activity = self.activity

        def settle() -> None:
            self.activity = activity
            self._answer(caller, header, lambda: _outcome(future))

        future.add_done_callback(lambda _: self.post(settle))

    def _reply(self, caller: bytes, header: Header, result: Any) -> None:
        if header.id:
            ok = not isinstance(result, BaseException)
            head = codec.encode(ReplyHeader(header.id, ok, self.context.generation))
            self.inbox.reply(caller, head, codec.encode(result if ok else codec.failure(result)))

    def handle(self, message: Message) -> Any:
        """Dispatch; a Future as result defers the reply until it is done."""
        name = self.handlers.get(type(message))
        if name is None:
            what = f"{self.context.name} does not know {type(message).__name__}"
            self.log.warning("foreign message refused", error=what)
            raise InvalidArgument(what)
        return getattr(self, name)(message)

    # What an actor may do.

    def call(self, name: str, request: Request[R]) -> R:
        """Ask an actor further down; within the deadline of the message in hand. Raises as ``Bus.call``."""
        self.context.fence.check()
        if name not in self.context.uses:
            allowed = ", ".join(sorted(self.context.uses)) or "nobody"
            raise PermissionError(f"{self.context.name} may not call {name}, only {allowed}")
        now = self.activity
        return self.bus.call(name, request, deadline=now.deadline or None, trace=now.trace)

    def publish(self, event: Event) -> None:
        """Tell the world. Raises Fenced for a generation that was given up."""
        with self.context.fence.guard():
            self.bus.publish(event)


def _outcome(done: Future[Any]) -> Any:
    try:
        return done.result()
    except CancelledError as error:
        raise OperationAborted("the operation was cancelled") from error
