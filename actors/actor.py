"""The base of every actor: a Pykka actor whose inbox is a ZeroMQ socket, and which crashes honestly.

An error of the tree raised by a handler is a reply. Anything else is replied *and* ends the actor,
so that no half-made state is used again. Nothing leaves the thread: a SystemExit in a handler ends
this actor only. Pykka's global registry never knows our actors, so a foreign ``stop_all`` finds
none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol, TypeVar

import pykka
from msgspec import MsgspecError
from pykka._envelope import Envelope

from embervirt import faults, world
from embervirt.actors import codec
from embervirt.actors.activity import IDLE, Activity, Cancellers, doing
from embervirt.actors.bus import Bus
from embervirt.actors.exits import NORMAL, SHUTDOWN, Exit
from embervirt.actors.fence import Fence
from embervirt.actors.inbox import Inbox, Mail
from embervirt.actors.messages import Event, Failure, Header, Message, ReplyHeader, Request
from embervirt.actors.routes import Pending
from embervirt.actors.work import Work, awaited, step
from embervirt.errors import InvalidArgument, ResourceBusy, libvirtError
from embervirt.log import get_logger

SETTLED = 1.0
"""Seconds that a generation waits for what its predecessor, which was given up, has in hand."""

Finish = Callable[[Callable[[], Any]], None]
"""Told how to produce the result of work, or raise what it raised."""

R = TypeVar("R")
H = TypeVar("H", bound=Callable[..., Any])


class Reports(Protocol):
    """Who wants to know how the actor fares: its supervisor."""

    def ready(self) -> None: ...
    def progress(self) -> None: ...
    def keep(self) -> None: ...
    def exited(self, reason: Exit) -> None: ...


@dataclass(frozen=True)
class Context:
    """What an actor is given: its stable ``name``, this ``generation``, the bus, whom it may call.

    ``before`` is the fence of the generation before.
    """

    name: str
    generation: int
    bus: Bus
    reports: Reports
    uses: frozenset[str] = frozenset()
    before: Fence | None = None
    fence: Fence = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fence", Fence(self.name, self.generation, self.before))

    @property
    def address(self) -> bytes:
        """Where the exchange finds this generation."""
        return f"{self.name}#{self.generation}".encode()


class Stop(Exception):
    """Control: end in order."""


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
        self.cancellers = Cancellers()
        self.thread: Any = None
        self._cancelled = -1.0
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
        name = f"embervirt-{self.context.name}"
        self.thread = world.Thread(target=self._actor_loop, name=name, daemon=True)
        self.thread.start()

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
            self.activity = doing("setup")
            self._wait_for_predecessor()
            self.inbox.open(self.bus.context, self.context.address)
            if faults.armed:
                faults.hit("actor.starting", actor=self.context.name, generation=self.context.generation)
            self.setup()
            with self.context.fence.guard():
                self.bus.routes.up(self.context.name, self.context.generation)
        except BaseException as error:  # noqa: BLE001 - the crash boundary: the supervisor decides
            self._die("start_failed", error)
        else:
            self.activity = IDLE
            self.context.reports.ready()

    def _wait_for_predecessor(self) -> None:
        """If it was given up within a commit, what it still writes there must not come after ours."""
        before = self.context.before
        if before is not None and not before.settled(SETTLED):
            text = f"generation {before.generation} of {before.name} was given up and hangs in a write"
            raise ResourceBusy(text)

    def _die(self, kind: Any, error: BaseException) -> None:
        self._exit = Exit(kind, error, self.activity.operation)
        self.actor_stopped.set()

    def finish(self, reason: Exit = NORMAL) -> None:
        """End after the message in hand, as ``reason``."""
        self._exit = reason
        self.actor_stopped.set()

    def leave(self) -> None:
        """End in order, once all that is in the lane, replies to come say, was handled."""
        if self.inbox.quiet:
            self.finish(NORMAL)
        else:
            self.post(self.leave)

    def _end(self) -> None:
        """Callers are told first; the supervisor last, for a successor may need what is released here."""
        name, generation = self.context.name, self.context.generation
        self.bus.routes.down(name, generation, str(self._exit), self._notify)
        try:
            self.resources.close()
        except BaseException as error:  # noqa: BLE001 - a failing release must not hide the exit
            self._exit = Exit("error", error, "release", f"{Exit('error', error)} after {self._exit}")
        self.context.fence.close()  # whoever still holds this generation has no say in the next
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
            self.activity = doing("stop")
            self.context.fence.check()
            self.finish(SHUTDOWN)
            if faults.armed:
                faults.hit("actor.stopping", actor=self.context.name, generation=self.context.generation)
            self.teardown()
        elif isinstance(message, BaseException):
            raise message
        else:
            self.activity = doing(getattr(message, "__qualname__", "task"))
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
        if faults.armed and not faults.hit("message.received", actor=self.context.name, kind=header.kind):
            return
        if header.id and not self.bus.routes.begin(header.id):
            return
        what, limit = header.kind.rpartition(".")[2], Message.kinds.get(header.kind, Message).limit
        self.activity = doing(what, header.deadline, header.trace, limit)
        self._answer(mail.caller, header, lambda: self.handle(self._decoded(header, mail.body)))

    def _decoded(self, header: Header, body: bytes) -> Message:
        try:
            return codec.decode_message(header.kind, body)
        except (MsgspecError, KeyError) as error:
            what = f"{self.context.name} cannot read a {header.kind.rpartition('.')[2]}: {error}"
            self.log.warning("malformed message refused", error=what)
            raise InvalidArgument(what) from error

    def _answer(self, caller: bytes, header: Header, produce: Callable[[], Any]) -> None:
        try:
            result = produce()
        except libvirtError as error:
            self._respond(caller, header, error)
        except BaseException as error:
            self._crashed(caller, header, error)
            raise
        else:
            work = awaited(result) if isinstance(result, Future) else result
            if isinstance(work, Generator):
                self._pursue(work, partial(self._answer, caller, header))
            else:
                self._respond(caller, header, result)

    def _crashed(self, caller: bytes, header: Header, error: BaseException) -> None:
        """From now on callers wait for the successor; then the asker gets the error, and the rest is told."""

        def notify(pending: Pending, failure: Failure) -> None:
            if pending.id == header.id:
                self._reply(caller, header, error)
            else:
                self._notify(pending, failure)

        why = str(Exit("error", error))
        self.bus.routes.down(self.context.name, self.context.generation, why, notify)

    def _pursue(
        self, work: Work[Any], finish: Finish, done: Future[Any] | None = None, until: float = 0.0
    ) -> None:
        """Go on with ``work``, here and now if it takes no longer than ``until``; ``finish`` ends it."""
        activity = self.activity
        try:
            waits_for = step(work, done)
            while until and world.wait([waits_for], max(0.0, until - world.monotonic())).done:
                waits_for = step(work, waits_for)
        except StopIteration as end:
            result = end.value
            finish(lambda: result)
        except BaseException as error:  # noqa: BLE001 - ``finish`` raises it where it belongs
            finish(partial(_raise, error))
        else:

            def again() -> None:
                self.activity = activity.resumed()
                self._pursue(work, finish, waits_for)

            waits_for.add_done_callback(lambda _: self.post(again))

    def _respond(self, caller: bytes, header: Header, result: Any) -> None:
        """Reply, if anybody still waits for it."""
        if self.bus.routes.heard(header.id):
            self._reply(caller, header, result)

    def _reply(self, caller: bytes, header: Header, result: Any) -> None:
        if header.id and not self.context.fence.refuses():
            ok = not isinstance(result, BaseException)
            head = codec.encode(ReplyHeader(header.id, ok, self.context.generation))
            body = codec.encode(result if ok else codec.failure(result))
            if not faults.armed or faults.hit(
                "reply.sent",
                actor=self.context.name,
                operation=self.activity.operation,
                again=lambda: self.inbox.reply(caller, head, body),
            ):
                self.inbox.reply(caller, head, body)

    def handle(self, message: Message) -> Any:
        """Dispatch; a Future as result defers the reply until it is done, a generator is work that waits."""
        name = self.handlers.get(type(message))
        if name is None:
            what = f"{self.context.name} does not know {type(message).__name__}"
            self.log.warning("foreign message refused", error=what)
            raise InvalidArgument(what)
        return getattr(self, name)(message)

    # What an actor may do.

    def work(self, work: Work[None], patience: float = 0.0) -> None:
        """Do this beside the messages; the part that takes less than ``patience`` seconds before any other.

        What it raises ends the actor.
        """
        self._pursue(work, lambda produce: produce(), until=patience and world.monotonic() + patience)

    def within(self, future: Future[Any], seconds: float) -> Future[bool]:
        """For work to wait for: whether ``future`` was done before ``seconds`` passed."""
        either: Future[bool] = Future()

        def settle(done: bool) -> None:
            if not either.done():
                either.set_result(done)

        future.add_done_callback(lambda _: self.post(partial(settle, True)))
        self.inbox.at(world.monotonic() + seconds, partial(settle, False))
        return either

    def call(self, name: str, request: Request[R]) -> R:
        """Ask an actor further down; within the deadline of the message in hand. Raises as ``Bus.call``."""
        self.context.fence.check()
        if name == self.context.name:
            raise PermissionError(f"{name} may not call itself: it would wait for its own answer")
        if name not in self.context.uses:
            allowed = ", ".join(sorted(self.context.uses)) or "nobody"
            raise PermissionError(f"{self.context.name} may not call {name}, only {allowed}")
        now = self.activity
        self.activity = now._replace(asks=name)
        try:
            return self.bus.call(name, request, deadline=now.deadline or None, trace=now.trace)
        finally:
            self.activity = now

    def progress(self) -> None:
        """The operation in hand goes on: its limit counts from now, up to the hard cap."""
        if self.activity.operation == "setup":
            self.context.reports.progress()
        self.activity = self.activity._replace(progress=world.monotonic())

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """The clock of the operation in hand stands still, for the guest, not we, takes its time."""
        before, since = self.activity, world.monotonic()
        self.activity = before._replace(paused=True)
        try:
            yield
        finally:
            slept = world.monotonic() - since
            self.activity = before._replace(step=before.step + slept, progress=before.progress + slept)

    def on_cancel(self, cancel: Callable[[], object]) -> AbstractContextManager[None]:
        """Around what may block: ``cancel``, which must not, wakes it, from the supervisor's thread."""
        return self.cancellers.added(cancel)

    @property
    def cancelled(self) -> bool:
        """Whether the operation in hand should end as soon as it can: it is overdue."""
        return self._cancelled == self.activity.step

    def cancel(self, activity: Activity) -> int:
        """From the supervisor's thread: ask the operation of ``activity`` to end; how many were called."""
        self._cancelled = activity.step
        return self.cancellers.call() if self.activity.step == activity.step else 0

    def publish(self, event: Event) -> None:
        """Tell the world. Raises Fenced for a generation that was given up."""
        with self.context.fence.guard():
            self.bus.publish(event)


def _raise(error: BaseException) -> None:
    raise error
