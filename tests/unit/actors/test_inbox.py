"""The inbox: control lane, then descriptors, then mail."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import zmq
from pykka._envelope import Envelope

from counted import descriptors
from embervirt.actors import exchange
from embervirt.actors.bus import Bus
from embervirt.actors.inbox import Inbox, Mail
from embervirt.errors import InvalidConnection
from unit.actors.harness import Note, closed


@pytest.fixture
def bus() -> Iterator[Bus]:
    """A bus that is closed again."""
    made = Bus()
    yield made
    assert closed(made)


@pytest.fixture
def inbox(bus: Bus) -> Iterator[Inbox]:
    """One that is open, read by this thread."""
    made = Inbox()
    made.open(bus.context, b"a#1")
    bus.routes.up("a", 1)
    yield made
    made.close()


def bodies(inbox: Inbox, count: int) -> list[object]:
    """The next messages: mail by its body, the rest as it is."""
    got = [inbox.get().message for _ in range(count)]
    return [each.body if isinstance(each, Mail) else each for each in got]


def test_a_hello_that_the_exchange_drops_is_sent_again(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """It drops one in ten thousand; one that comes late is no mail."""
    send, sent = exchange.send, 0

    def losing(sock: zmq.Socket[bytes], to: bytes, header: bytes, body: bytes) -> None:
        nonlocal sent
        sent += 1
        for _ in range(0 if sent == 1 else 2):
            send(sock, to, header, body)

    monkeypatch.setattr(exchange, "send", losing)
    made = Inbox()
    made.open(bus.context, b"a#1")
    bus.routes.up("a", 1)
    bus.tell("a", Note("mail"))
    assert b"mail" in bodies(made, 1)[0]  # type: ignore[operator]
    assert sent >= 2
    made.close()


def test_an_exchange_that_passes_on_nothing_is_an_error(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the start of the actor fails, instead of waiting."""
    monkeypatch.setattr(exchange, "HELLO", 0.02)
    monkeypatch.setattr(exchange, "send", lambda *about: None)
    made = Inbox()
    with pytest.raises(InvalidConnection, match="the exchange of the root does not answer"):
        made.open(bus.context, b"a#1")
    made.close()


def test_control_goes_before_mail(bus: Bus, inbox: Inbox) -> None:
    """Whatever came first."""
    bus.tell("a", Note("mail"))
    inbox.put(Envelope("control 1"))
    inbox.put(Envelope("control 2"))
    first, second, mail = bodies(inbox, 3)
    assert (first, second) == ("control 1", "control 2")
    assert b"mail" in mail  # type: ignore[operator]


def test_control_that_comes_while_the_inbox_looks_goes_first(
    bus: Bus, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was put before the mail was sent, and both after the inbox had seen that there is nothing."""
    poll = inbox._poller.poll

    def slow(timeout: int | None = None) -> Any:
        monkeypatch.undo()
        inbox.put(Envelope("control"))
        bus.tell("a", Note("mail"))
        assert inbox._socket is not None
        assert inbox._socket.poll(20_000)
        return [each for each in poll(timeout) if each[0] is inbox._socket]

    monkeypatch.setattr(inbox._poller, "poll", slow)
    first, mail = bodies(inbox, 2)
    assert first == "control"
    assert b"mail" in mail  # type: ignore[operator]


def test_control_wakes_a_waiting_actor(inbox: Inbox) -> None:
    """From any thread."""
    threading.Timer(0, inbox.put, (Envelope("wake"),)).start()
    assert inbox.get().message == "wake"


def test_control_before_the_actor_runs_is_kept(bus: Bus) -> None:
    """Put by the starter; and an inbox that was never opened holds no descriptor."""
    before = descriptors()
    made = Inbox()
    made.put(Envelope("early"))
    assert descriptors() <= before
    made.open(bus.context, b"a#1")
    assert made.get().message == "early"
    made.close()


def test_control_after_the_end_is_dropped(bus: Bus) -> None:
    """Its sender has the exit report; nothing is written to a descriptor that is another's by now."""
    made = Inbox()
    made.open(bus.context, b"a#1")
    made.close()
    made.put(Envelope("late"))
    assert not made._lane


def test_a_descriptor_goes_before_mail(bus: Bus, inbox: Inbox) -> None:
    """Else an actor that always has mail would never see it."""
    ready: list[str] = []
    reading, writing = os.pipe()
    inbox.watch(reading, lambda: ready.append(os.read(reading, 1).decode()))
    for _ in range(3):
        bus.tell("a", Note("mail"))
    os.write(writing, b"x")
    inbox.get().message()
    assert ready == ["x"]
    assert all(isinstance(inbox.get().message, Mail) for _ in range(3))
    inbox.unwatch(reading)
    os.close(reading)
    os.close(writing)


def test_a_watch_that_ended_is_not_called(inbox: Inbox) -> None:
    """Two are ready at once, and the first ends the watch of the second."""
    called: list[str] = []
    pipes = [os.pipe() for _ in range(2)]

    def end_the_other(mine: int) -> None:
        called.append("one")
        for reading, _ in pipes:
            if reading != mine:
                inbox.unwatch(reading)

    for reading, writing in pipes:
        inbox.watch(reading, lambda mine=reading: end_the_other(mine))  # type: ignore[misc]
        os.write(writing, b"x")
    for _ in range(2):
        inbox.get().message()
    assert called == ["one"]
    for pipe in pipes:
        for descriptor in pipe:
            inbox.unwatch(descriptor)
            os.close(descriptor)


def test_it_is_open_when_the_exchange_routes_to_it(bus: Bus) -> None:
    """The first message after ``open`` is never lost."""
    for generation in range(1, 100):
        made = Inbox()
        made.open(bus.context, b"a#%d" % generation)
        bus.routes.up("a", generation)
        assert bus.tell("a", Note(str(generation)))
        assert isinstance(made.get().message, Mail)
        made.close()
