"""Threads: what ends one ends no other, what uses a socket is alone, and how many there may be."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from embervirt.actors import checked
from embervirt.actors.actor import Stop
from embervirt.actors.bus import Bus
from embervirt.actors.checked import Checked
from embervirt.actors.exchange import CALLS, send, socket
from embervirt.errors import InternalError
from unit.actors.harness import PATIENCE, Asking, Count, Echo, Fail, Hold, Note, Stage, closed, staged


@pytest.mark.parametrize("how", ["SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("asked", [True, False])
def test_l01_of_five_actors_in_two_roots_only_the_one_ends(how: str, asked: bool) -> None:
    """By ask, whose caller is told at once, and by tell; Pykka itself would end all five."""
    with ExitStack() as stack:
        roots = [stack.enter_context(staged()) for _ in range(2)]
        places = [(roots[0], "a"), (roots[0], "b"), (roots[0], "c"), (roots[1], "a"), (roots[1], "d")]
        started = [stage.start(name) for stage, name in places]
        if asked:
            with pytest.raises(InternalError, match=f"the actor failed with {how} and was replaced"):
                roots[0].bus.call("b", Fail(how))
        else:
            assert roots[0].bus.tell("b", Fail(how))
        assert started[1][1].exit().kind == "error"
        others = [place for place in places if place[1] != "b"]
        assert [stage.bus.call(name, Count()) for stage, name in others] == [1, 1, 1, 1]
        assert all(reports.exits.empty() for _, reports in started)


@pytest.fixture
def noticing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage whose sockets notice a second thread."""
    monkeypatch.setattr(checked, "ON", True)
    with staged() as stage:
        yield stage


def said_by_another_thread(use: object) -> list[str]:
    """What an assertion in another thread said, if there was one."""
    said: list[str] = []

    def run() -> None:
        try:
            use()  # type: ignore[operator]
        except AssertionError as error:
            said.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    return said


def test_l09_an_actors_socket_is_its_own(noticing: Stage) -> None:
    """A reply from a foreign thread is refused with both threads' numbers, and the actor goes on."""
    server, _ = noticing.start()
    [said] = said_by_another_thread(lambda: server.inbox.reply(b"caller-1", b"", b""))
    assert "a socket of thread" in said and "is used by thread" in said
    assert noticing.bus.call("server", Echo("x")) == "x"


def test_l09_a_half_sent_message_belongs_to_its_thread() -> None:
    """Nobody may put a frame of another message between its frames; afterwards anybody may."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context, Checked(context, zmq.PUSH) as push, Checked(context, zmq.PULL) as pull:
        pull.bind("inproc://a")
        push.connect("inproc://a")
        push.send(b"first", zmq.SNDMORE)
        [said] = said_by_another_thread(lambda: push.send(b"second"))
        assert "is used by thread" in said
        push.send(b"last")
        assert said_by_another_thread(lambda: push.send(b"third")) == []
        assert [pull.recv_multipart(), pull.recv_multipart()] == [[b"first", b"last"], [b"third"]]


def test_l09_a_socket_somebody_waits_on_is_not_used_by_others() -> None:
    """What libzmq would answer with the end of the process."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context, Checked(context, zmq.PAIR) as near, Checked(context, zmq.PAIR) as far:
        near.bind("inproc://pair")
        far.connect("inproc://pair")
        with near._used():  # as in ``recv``, before libzmq is asked
            for use in (near.recv, lambda: near.poll(0), lambda: near.send(b"x"), near.recv_multipart):
                assert len(said_by_another_thread(use)) == 1
        far.send(b"x")
        assert said_by_another_thread(near.recv) == []


def test_l09_everything_here_passes_the_check(noticing: Stage) -> None:
    """Calls of many threads, notes, deaths, the events' sockets: none uses a socket that another has."""
    server, reports = noticing.start()
    asked = [Asking(noticing.bus, "server", each) for each in [Hold(), *[Echo(str(n)) for n in range(20)]]]
    noticing.in_flight("server", 21)
    noticing.bus.tell("server", Note("x"))
    noticing.world.gate.set()
    assert [each.outcome() for each in asked] == ["held", *[str(n) for n in range(20)]]
    server.post(RuntimeError("boom"))
    assert str(reports.exit()) == "error(RuntimeError: boom)"
    noticing.start(generation=2)
    with socket(noticing.bus.context, zmq.DEALER, b"mine") as mine:
        assert isinstance(mine, Checked)
        mine.connect(CALLS)
        send(mine, b"server#2", b"", b"")
    assert noticing.bus.call("server", Echo("x")) == "x"


@pytest.mark.parametrize(("options", "on"), [([], "False"), (["-X", "dev"], "True")])
def test_l09_the_check_is_on_in_development_mode(options: list[str], on: str) -> None:
    """Otherwise nothing pays for it."""
    code = "from embervirt.actors import checked; print(checked.ON)"
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == on


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many as this process may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("descriptors")
def test_l13_twelve_hundred_actors_answer(stage: Stage) -> None:
    """Each has a socket of its own; more than libzmq's 1,023 are no matter."""
    names = [f"guest/{n}" for n in range(1200)]
    for name in names:
        stage.start(name)
    assert [stage.bus.call(name, Echo(name)) for name in names] == names


TOO_MANY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
from unit.actors.harness import Echo, Reports, Server, Stage
from embervirt.actors.actor import Context
stage = Stage()
stage.start("first")
for n in range(200):
    reports = Reports()
    stage.launch(Server(Context(f"guest/{n}", 1, stage.bus, reports), stage.world), reports)
    while not reports.is_ready.wait(0.01) and reports.exits.empty():
        pass
    if not reports.is_ready.is_set():
        reason = reports.exit()
        print(n, reason.kind, reason.error)
        break
print(stage.bus.call("first", Echo("it lives")))
sys.stdout.flush()
import os
os._exit(0)
"""


def test_l13_a_limit_that_is_reached_is_a_failed_start_that_names_it() -> None:
    """Of one actor only: the process, which libzmq might end, lives, and so do the others."""
    tests = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", TOO_MANY]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": tests})
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    number, kind, said = first.split(" ", 2)
    assert int(number) > 20
    assert (kind, second) == ("start_failed", "it lives")
    assert "descriptors" in said and "RLIMIT_NOFILE" in said


def test_a_bus_that_is_checked_ends_as_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sockets are closed by the thread that ends it."""
    monkeypatch.setattr(checked, "ON", True)
    bus = Bus()
    with staged() as stage:
        server, reports = stage.start()
        server.post(Stop())
        assert reports.exit().kind == "shutdown"
    assert closed(bus)
