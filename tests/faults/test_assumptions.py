"""What the design rests on, as it was measured once: of Pykka and ZeroMQ.

A test that fails here says that a new version of one of them behaves otherwise: some mechanism may have
become unnecessary, or not enough. Those about the kernel are beside this, those about QEMU in
``tests/integration/qemu``.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pykka
import pytest
import zmq

LONG, SHORT = 20.0, 0.2
"""Seconds: more than anything needs; enough to see that nothing comes."""


# Pykka.


class Plain(pykka.ThreadingActor):
    """Does what its message says."""

    use_daemon_thread = True

    def __init__(self) -> None:
        super().__init__()
        self.half_made = False

    def on_receive(self, message: Any) -> Any:
        """A callable."""
        return message(self)


@pytest.fixture
def actors() -> Iterator[list[pykka.ActorRef[Plain]]]:
    """Three, in Pykka's own registry, which is theirs alone afterwards."""
    made = [Plain.start() for _ in range(3)]
    yield made
    pykka.ActorRegistry.stop_all(timeout=LONG)


def raises(error: BaseException) -> Callable[[Plain], None]:
    """A message that changes something and then fails."""

    def act(actor: Plain) -> None:
        actor.half_made = True
        raise error

    return act


def test_p01_a_base_exception_ends_every_actor_of_pykka(actors: list[pykka.ActorRef[Plain]]) -> None:
    """And the one who asked is not told."""
    with pytest.raises(pykka.Timeout):
        actors[0].ask(raises(SystemExit(3)), timeout=SHORT)
    for each in actors:
        each.actor_stopped.wait(LONG)
    assert [each.is_alive() for each in actors] == [False] * 3


def test_p02_an_actor_that_failed_in_ask_goes_on_half_made(actors: list[pykka.ActorRef[Plain]]) -> None:
    """In tell it ends."""
    with pytest.raises(ValueError, match="boom"):
        actors[0].ask(raises(ValueError("boom")), timeout=LONG)
    assert actors[0].ask(lambda actor: actor.half_made, timeout=LONG) is True
    actors[1].tell(raises(ValueError("boom")))
    actors[1].actor_stopped.wait(LONG)
    assert [actors[0].is_alive(), actors[1].is_alive()] == [True, False]


def test_p03_an_on_start_that_raises_is_told_to_nobody() -> None:
    """``start`` answers with a reference, and no hook is called."""
    called: list[str] = []

    class Failing(Plain):
        def on_start(self) -> None:
            called.append("on_start")
            raise ValueError("no")

        def on_failure(self, *_: Any) -> None:
            called.append("on_failure")

    reference = Failing.start()
    reference.actor_stopped.wait(LONG)
    assert (called, reference.is_alive()) == (["on_start"], False)


def test_p04_an_actor_that_hangs_is_alive_and_cannot_be_stopped(actors: list[pykka.ActorRef[Plain]]) -> None:
    """Nor can those that ``stop_all`` would have come to after it."""
    entered, gate = threading.Event(), threading.Event()

    def hang(actor: Plain) -> None:
        entered.set()
        gate.wait(LONG)

    actors[2].tell(hang)  # the last one started is the first to be stopped
    assert entered.wait(LONG)
    assert actors[2].is_alive()
    with pytest.raises(pykka.Timeout):
        actors[2].stop(timeout=SHORT)
    with pytest.raises(pykka.Timeout):
        pykka.ActorRegistry.stop_all(timeout=SHORT)
    assert [each.is_alive() for each in actors[:2]] == [True, True]
    gate.set()


def test_p05_an_ask_that_races_a_stop_may_never_settle() -> None:
    """Between the look whether it is alive and the mailbox the actor ends."""
    looked, ended = threading.Event(), threading.Event()

    class Slow:
        def __init__(self) -> None:
            self.queue: Any = pykka.ThreadingActor._create_actor_inbox()

        def put(self, item: Any) -> None:
            if looked.is_set():
                ended.wait(LONG)
            self.queue.put(item)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.queue, name)

    class Widened(Plain):
        @staticmethod
        def _create_actor_inbox() -> Any:
            return Slow()

    reference, futures = Widened.start(), list[Any]()
    inbox: Any = reference.actor_inbox
    looked.set()
    asker = threading.Thread(target=lambda: futures.append(reference.ask(lambda actor: 1, block=False)))
    asker.start()
    inbox.queue.put(pykka._envelope.Envelope(pykka.messages._ActorStop()))
    assert reference.actor_stopped.wait(LONG)
    reference_thread_ended(reference)
    ended.set()
    asker.join(LONG)
    with pytest.raises(pykka.Timeout):
        futures[0].get(timeout=SHORT)


def reference_thread_ended(reference: pykka.ActorRef[Any]) -> None:
    """Its actor is out of the registry and has emptied its inbox."""
    deadline = time.monotonic() + LONG
    while reference in pykka.ActorRegistry.get_all() and time.monotonic() < deadline:
        os.sched_yield()
    for thread in threading.enumerate():
        if thread.name.startswith("Widened"):
            thread.join(LONG)


# ZeroMQ.


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """Ended with all its sockets."""
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield made
    made.destroy(0)


def made(context: zmq.Context[zmq.Socket[bytes]], kind: int, **options: Any) -> zmq.Socket[bytes]:
    """A socket that waits at most SHORT."""
    sock = context.socket(kind)
    for name, value in {"linger": 0, "rcvtimeo": int(SHORT * 1000), "sndtimeo": 0, **options}.items():
        setattr(sock, name, value)
    return sock


def test_p06_an_inproc_peer_never_finds_a_replaced_server(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """The name is free at once; what it sends is lost, and later refused."""
    server, peer = made(context, zmq.ROUTER), made(context, zmq.DEALER)
    server.bind("inproc://server")
    peer.connect("inproc://server")
    peer.send(b"first")
    assert server.recv_multipart()[1] == b"first"
    server.close(0)
    successor = made(context, zmq.ROUTER)
    for _ in range(1000):
        try:
            successor.bind("inproc://server")
            break
        except zmq.ZMQError as error:
            assert error.errno == zmq.EADDRINUSE
            os.sched_yield()
    with pytest.raises(zmq.Again):
        for _ in range(100_000):
            peer.send(b"lost")
    with pytest.raises(zmq.Again):
        successor.recv_multipart()


@pytest.mark.parametrize(("handover", "heard"), [(False, 0), (True, 1)])
def test_p07_of_two_of_one_identity_the_first_wins_without_handover(
    context: zmq.Context[zmq.Socket[bytes]], handover: bool, heard: int
) -> None:
    """With it the second."""
    router = made(context, zmq.ROUTER, router_handover=handover)
    router.bind("inproc://router")
    dealers = []
    for n in range(2):
        dealer = made(context, zmq.DEALER)
        dealer.setsockopt(zmq.IDENTITY, b"same")
        dealer.connect("inproc://router")
        dealer.send(b"%d" % n)
        dealers.append(dealer)
        if n <= heard:
            assert router.recv_multipart()[0] == b"same"
    router.send_multipart([b"same", b"answer"])
    assert dealers[heard].recv() == b"answer"
    with pytest.raises(zmq.Again):
        dealers[1 - heard].recv()


def test_p08_pub_drops_what_exceeds_both_queues(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """Of a thousand, with ten and ten, twenty arrive; XPUB_NODROP refuses instead."""
    pub, sub = made(context, zmq.PUB, sndhwm=10), made(context, zmq.SUB, rcvhwm=10)
    pub.bind("inproc://pub")
    sub.subscribe(b"")
    sub.connect("inproc://pub")
    for n in range(1000):
        pub.send(b"%d" % n)
    assert received(sub) == 20
    xpub, other = made(context, zmq.XPUB, sndhwm=10, xpub_nodrop=True), made(context, zmq.SUB, rcvhwm=10)
    xpub.bind("inproc://xpub")
    other.subscribe(b"")
    other.connect("inproc://xpub")
    xpub.recv()
    sent = 0
    with pytest.raises(zmq.Again):
        for sent in range(1000):  # noqa: B007 - how far it comes
            xpub.send(b"x")
    assert sent == 20


def received(sock: zmq.Socket[bytes]) -> int:
    """How many come."""
    count = 0
    while sock.poll(int(SHORT * 1000)):
        sock.recv()
        count += 1
    return count


SHARED = """
import threading, zmq
context = zmq.Context()
pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
pull.bind("inproc://a"); push.connect("inproc://a"); push.set_hwm(0)
def send():
    for _ in range(200_000):
        push.send_multipart([b"a" * 100, b"b" * 100, b"c"])
threads = [threading.Thread(target=send) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("survived")
"""


def test_p09_a_socket_in_four_threads_ends_the_process() -> None:
    """By an assertion of libzmq, or by a broken memory."""
    command = ["bash", "-c", 'ulimit -c 0; exec "$@"', "-", sys.executable, "-c", SHARED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (-signal.SIGABRT, -signal.SIGSEGV), done.stdout + done.stderr


def test_p10_the_end_of_a_context_waits_for_what_lingers_and_for_open_sockets() -> None:
    """Unless its sockets say that nothing of theirs lingers, and are closed."""
    lingering, opened = zmq.Context(), zmq.Context()
    push, unclosed = lingering.socket(zmq.PUSH), opened.socket(zmq.PUSH)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    push.connect(f"tcp://127.0.0.1:{port}")
    push.send(b"nobody is there")
    push.close()
    ends = [threading.Thread(target=each.term, daemon=True) for each in (lingering, opened)]
    for end in ends:
        end.start()
        end.join(SHORT)
    assert [end.is_alive() for end in ends] == [True, True]
    unclosed.close(0)
    with zmq.Context() as other, other.socket(zmq.PULL) as pull:
        pull.bind(f"tcp://127.0.0.1:{port}")
        assert pull.recv() == b"nobody is there"
        for end in ends:
            end.join(LONG)
    assert [end.is_alive() for end in ends] == [False, False]


def test_p11_the_end_of_a_context_wakes_who_waits_in_it() -> None:
    """With ContextTerminated."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sock = context.socket(zmq.PULL)
    sock.bind("inproc://nobody")
    raised: list[type[BaseException]] = []

    def wait() -> None:
        try:
            sock.recv()
        except zmq.ContextTerminated as error:
            raised.append(type(error))
        sock.close(0)

    waiting = threading.Thread(target=wait)
    waiting.start()
    context.term()
    waiting.join(LONG)
    assert raised == [zmq.ContextTerminated]
