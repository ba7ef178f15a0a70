"""What the design rests on, as it was measured once: of Pykka, ZeroMQ, the kernel and Python's threads.

A test that fails here says that a new version of one of them behaves otherwise: some mechanism may have
become unnecessary, or not enough. Those about QEMU are in ``tests/integration/qemu``.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pykka
import pytest
import zmq

from embervirt.drivers.root import files

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


# Processes.


STOLEN = """
import os, signal, subprocess, sys, threading
if sys.argv[1] == "ignored":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
reader, writer = os.pipe()
child = subprocess.Popen(["sh", "-c", "read x; exit 7"], stdin=reader)
os.close(reader)
if sys.argv[1] == "reaped":
    reaper = threading.Thread(target=os.wait)
    reaper.start()
os.write(writer, b"go\\n")
if sys.argv[1] == "reaped":
    reaper.join()
print(child.wait())
try:
    os.waitid(os.P_PID, child.pid, os.WEXITED)
except ChildProcessError:
    print("ECHILD")
"""


@pytest.mark.parametrize("how", ["ignored", "reaped"])
def test_p19_a_stolen_exit_status_reads_as_zero(how: str) -> None:
    """Of a child that exited with 7."""
    done = subprocess.run([sys.executable, "-c", STOLEN, how], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "ECHILD"]


GRANDCHILD = """
import ctypes, os, select, subprocess, sys
if sys.argv[1] == "subreaper":
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
leave = ["sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"]
said = subprocess.run(leave, capture_output=True, text=True).stdout
held = os.pidfd_open(int(said))
os.kill(int(said), 9)
print(len(select.select([held], [], [], 20)[0]))
try:
    print(os.waitid(os.P_PIDFD, held, os.WEXITED).si_status)
except ChildProcessError:
    print("ECHILD")
"""


@pytest.mark.parametrize(("how", "status"), [("plain", "ECHILD"), ("subreaper", "9")])
def test_p20_the_end_of_a_process_that_is_no_child_is_seen_without_its_status(how: str, status: str) -> None:
    """By its pidfd; a subreaper would get the status."""
    done = subprocess.run([sys.executable, "-c", GRANDCHILD, how], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", status]


def test_p21_a_death_signal_comes_with_the_end_of_the_thread_that_forked() -> None:
    """PR_SET_PDEATHSIG: the process is alive, and its child is killed."""
    children: list[subprocess.Popen[bytes]] = []
    prctl = ctypes.CDLL(None).prctl

    def start() -> None:
        children.append(
            subprocess.Popen(["cat"], stdin=subprocess.PIPE, preexec_fn=lambda: prctl(1, signal.SIGKILL))
        )

    starter = threading.Thread(target=start)
    starter.start()
    starter.join()
    with children[0] as child:
        assert child.wait(LONG) == -signal.SIGKILL


# Files.


def refused(lock: Callable[[Any, int], None], file: Any) -> bool:
    """Whether an exclusive lock is refused."""
    try:
        lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


LOCKF = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def test_p22_only_flock_keeps_a_second_user_of_one_process_out(tmp_path: Path) -> None:
    """``lockf`` is granted twice and lost by any close; ``flock`` is refused, and lasts in a child."""
    path = tmp_path / "lock"
    path.touch()
    with path.open("r+") as first, path.open("r+") as second:
        assert (refused(fcntl.lockf, first), refused(fcntl.lockf, second)) == (False, False)
        foreign = [sys.executable, "-c", LOCKF, str(path)]
        assert subprocess.run(foreign, stderr=subprocess.DEVNULL, check=False).returncode == 1
        path.open().close()
        assert subprocess.run(foreign, check=False).returncode == 0
        assert (refused(fcntl.flock, first), refused(fcntl.flock, second)) == (False, True)
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[first.fileno()]) as child:
            first.close()
            assert refused(fcntl.flock, second)
            child.communicate()
        assert not refused(fcntl.flock, second)


def test_p23_a_socket_address_has_107_bytes_unless_it_goes_through_a_descriptor() -> None:
    """As ``/proc/self/fd/N/NAME`` a directory of 166 characters is no matter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        deep = Path(short) / ("d" * (166 - len(short) - 1))
        deep.mkdir()
        held = os.open(deep, os.O_PATH)
        paths = {length: f"{short}/{'s' * (length - len(short) - 1)}" for length in (107, 108)}
        for path, works in ((paths[107], True), (paths[108], False), (f"/proc/self/fd/{held}/s", True)):
            with socket.socket(socket.AF_UNIX) as sock:
                try:
                    sock.bind(path)
                    bound = True
                except OSError as error:
                    assert "too long" in str(error)
                    bound = False
            assert bound is works, path
        os.close(held)


def test_p26_a_durable_write_costs_less_than_a_few_milliseconds(tmp_path: Path) -> None:
    """4 KiB, replaced 100 times: 0.25 ms was measured, and 0.06 ms without syncs."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(100):
        for durable, times in took.items():
            began = time.perf_counter()
            files.write(tmp_path / "file", b"x" * 4096, durable=durable)
            times.append(time.perf_counter() - began)
    assert statistics.median(took[False]) < 0.005
    assert statistics.median(took[True]) < 0.05


# Threads.


def in_a_thread(work: Callable[[], object]) -> tuple[threading.Thread, threading.Event]:
    """One that is in it, or about to be."""
    begun = threading.Event()

    def run() -> None:
        begun.set()
        with contextlib.suppress(OSError, Interruption):
            work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert begun.wait(LONG)
    return thread, begun


class Interruption(Exception):
    """Raised in another thread."""


def interrupt(thread: threading.Thread) -> None:
    """As a debugger would."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Interruption))


def ends(thread: threading.Thread, seconds: float = SHORT) -> bool:
    """Whether it does, soon."""
    thread.join(seconds)
    return not thread.is_alive()


def test_p24_only_a_shutdown_wakes_a_thread_in_recv() -> None:
    """Neither a close nor an exception raised from outside does."""
    pairs = [socket.socketpair() for _ in range(3)]
    threads = [in_a_thread(lambda near=near: near.recv(1))[0] for near, _ in pairs]  # type: ignore[misc]
    assert not any(ends(thread) for thread in threads)
    descriptor = pairs[1][0].detach()
    pairs[0][0].shutdown(socket.SHUT_RDWR)
    os.close(descriptor)
    interrupt(threads[2])
    assert [ends(threads[0], LONG), ends(threads[1]), ends(threads[2])] == [True, False, False]
    for _, far in pairs:
        far.close()
    assert all(ends(thread, LONG) for thread in threads)
    for near, _ in pairs:
        near.close()


def test_p24_an_exception_from_outside_ends_a_loop_and_no_wait_for_a_lock() -> None:
    """It comes between two instructions of Python."""
    lock, over = threading.Lock(), threading.Event()
    lock.acquire()

    def loop() -> None:
        while not over.is_set():
            pass

    waiting, looping = in_a_thread(lock.acquire)[0], in_a_thread(loop)[0]
    for thread in (waiting, looping):
        interrupt(thread)
    assert ends(looping, LONG)
    assert not ends(waiting)
    lock.release()
    assert ends(waiting, LONG)


def test_p25_a_call_that_keeps_the_gil_stops_every_thread() -> None:
    """Also one that only looks at the clock."""
    gaps, over = list[float](), threading.Event()

    def beat() -> None:
        last = time.monotonic()
        while not over.wait(0.01):
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    thread, _ = in_a_thread(beat)
    ctypes.PyDLL(None).usleep(500_000)
    while not gaps or gaps[-1] > 0.4:
        os.sched_yield()
    over.set()
    thread.join(LONG)
    assert max(gaps) > 0.4
