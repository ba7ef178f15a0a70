"""What the fake QEMU does, step by step: a machine's answers, bent by a script, as effects to carry out.

Pure: whoever has sockets and a clock performs the effects, in their order, each before the next is asked for.

| effect | what it asks for |
|---|---|
| ``event``, message | send it with a timestamp to the client, if there is one |
| ``reply``, message | send it to the client that this dialogue is with, unless that is gone |
| ``bytes``, bytes | the same, as they are |
| ``wait``, seconds | go on after that time; signals, events and other dialogues go on meanwhile |
| ``pace``, seconds | the same, counted from the end of the last such time |
| ``background``, effects | begin a dialogue of its own |
| ``disconnect`` | cut the client off |
| ``close`` | and never listen again |
| ``hang``, seconds or None | do nothing at all for so long, or for ever |
| ``print``, descriptor, bytes | write there |
| ``serve`` | clients may come |
| ``exit``, status, orderly | end; orderly means that the socket's file is removed |
| ``kill``, signal | end by that signal |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from embervirt.testing.machine import Machine, Message, error, event, identified
from embervirt.testing.script import COMMAND, Actions, Script

Effect = tuple[Any, ...]
Effects = Iterator[Effect]
Executed = tuple[list[Message], Message | None]
"""The events of a step and its reply, if it has one."""


def nothing() -> Executed:
    """A step that does nothing by itself."""
    return [], None


class Dialogue:
    """One process. What happens to it goes in by a method, the effects come out."""

    def __init__(self, machine: Machine, script: Script) -> None:
        self.machine, self.script = machine, script
        self._ending = False

    def spawned(self) -> Effects:
        """It has begun."""
        yield from self._play(self.script.take("spawn"), nothing)
        yield ("serve",)

    def connected(self) -> Effects:
        """A client has come."""
        return self._play(self.script.take("greeting"), lambda: ([], self.machine.greet()))

    def requested(self, request: object) -> Effects:
        """The client sent this."""
        name = request.get("execute") if isinstance(request, dict) else None
        actions, served = self.script.take(str(name), COMMAND), self.machine.negotiated
        return self._play(actions, lambda: self.machine.execute(request, served), request)

    def signalled(self) -> Effects:
        """SIGTERM, SIGINT or SIGHUP has come."""
        return self._play(self.script.take("SIGTERM"), lambda: (self.machine.terminate(), None))

    def prompted(self, actions: Actions) -> Effects:
        """A test wants these now."""
        return self._play(actions, nothing)

    def _play(self, actions: Actions, execute: Callable[[], Executed], request: object = None) -> Effects:
        yield from _Play(self.machine, execute, request).run(actions)
        if self.machine.over and not self._ending:
            self._ending = True
            yield from _Play(self.machine, nothing, None).run(self.script.take("exit"))
            yield ("exit", 0, True)


class _Play:
    """One step. Methods, but for ``run``, are the actions that ``embervirt.testing.actions`` describes."""

    def __init__(self, machine: Machine, execute: Callable[[], Executed], request: object) -> None:
        self._machine, self._execute, self._request = machine, execute, request
        self._executed = self._answered = False
        self._reply: Message | None = None

    def run(self, actions: Actions) -> Effects:
        """In their order; what they leave out comes last, as QEMU has it."""
        for name, arguments in actions:
            yield from getattr(self, name)(**arguments)
        yield from self.answers()

    def executes(self) -> Effects:
        if not self._executed:
            self._executed = True
            events, self._reply = self._execute()
            yield from map(self._event, events)

    def answers(self) -> Effects:
        yield from self._instead(lambda reply: [reply])

    def _instead(self, change: Callable[[Message], list[Message]]) -> Effects:
        """Whatever of the true reply is sent."""
        yield from self.executes()
        if self._reply is not None and not self._answered:
            yield from (("reply", message) for message in change(self._reply))
        self._answered = True

    def _event(self, message: Message) -> Effect:
        return ("event", message)

    def silent(self) -> Effects:
        return self._instead(lambda reply: [])

    def ignores(self) -> Effects:
        self._executed = self._answered = True
        return iter(())

    def returns(self, value: Any) -> Effects:
        return self._says({"return": value})

    def refuses(self, desc: str, error_class: str) -> Effects:
        return self._says(error(error_class, desc))

    def _says(self, reply: Message) -> Effects:
        self._executed, self._reply = True, identified(self._request, reply)
        return self.answers()

    def wrong_id(self) -> Effects:
        return self._instead(lambda reply: [reply | {"id": "of nobody"}])

    def without_id(self) -> Effects:
        return self._instead(lambda reply: [{key: reply[key] for key in reply if key != "id"}])

    def twice(self) -> Effects:
        return self._instead(lambda reply: [reply, reply])

    def huge(self, size: int) -> Effects:
        return self._instead(lambda reply: [reply | {"return": "x" * size}])

    def garbage(self, data: str) -> Effects:
        yield from self.silent()
        yield ("bytes", data.encode("latin-1"))

    def emits(self, name: str, data: Message, count: int, per_second: float | None) -> Effects:
        burst = self._burst(event(name, **data), count, per_second)
        if per_second is None:
            yield from burst
        else:
            yield ("background", burst)

    def _burst(self, message: Message, count: int, per_second: float | None) -> Effects:
        for _ in range(count):
            yield self._event(message)
            if per_second is not None:
                yield ("pace", 1 / per_second)

    def guest(self, deed: str) -> Effects:
        yield from self.answers()
        yield from map(self._event, self._machine.guest(deed))

    def waits(self, seconds: float) -> Effects:
        yield ("wait", seconds)

    def hangs(self, seconds: float | None) -> Effects:
        yield ("hang", seconds)

    def disconnects(self) -> Effects:
        yield from self.silent()
        yield ("disconnect",)

    def closes_monitor(self) -> Effects:
        yield from self.silent()
        yield ("close",)

    def prints(self, text: str, times: int, descriptor: int) -> Effects:
        yield ("print", descriptor, text.encode() * times)

    def exits(self, status: int) -> Effects:
        yield ("exit", status, False)

    def dies(self, number: int) -> Effects:
        yield ("kill", number)
