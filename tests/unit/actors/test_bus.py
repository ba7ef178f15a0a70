"""Calls: each settles once, with the reply or an error that says whether it may have happened."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest
import zmq

from embervirt.actors import bus as module
from embervirt.actors.actor import Stop
from embervirt.actors.bus import Bus
from embervirt.actors.exchange import CALLS, socket
from embervirt.actors.messages import Failure
from embervirt.errors import (
    ActorUnavailable,
    ForkedError,
    InternalError,
    InvalidArgument,
    InvalidConnection,
    MailboxFull,
    NotStarted,
    OperationTimeout,
    OutcomeUnknown,
    ResourceBusy,
    libvirtError,
)
from unit.actors.harness import (
    PATIENCE,
    Ask,
    Asking,
    Count,
    Echo,
    Fail,
    Hold,
    Later,
    Note,
    Stage,
    Wrong,
    closed,
    staged,
)

BEGUN = 1.0
"""Seconds in which a call is begun, of which a test waits for the end."""


def soon(seconds: float = 0.05) -> float:
    """A deadline that a test waits for."""
    return time.monotonic() + seconds


def test_a_call_is_answered_from_any_thread(stage: Stage) -> None:
    """Each thread gets its own answer."""
    stage.start()
    asked = [Asking(stage.bus, "server", Echo(str(n))) for n in range(20)]
    assert [each.outcome() for each in asked] == [str(n) for n in range(20)]
    assert stage.bus.call("server", Echo("x")) == "x"


def test_l11_a_name_that_nobody_has_fails_at_once(stage: Stage) -> None:
    """Certainly not started."""
    with pytest.raises(ActorUnavailable, match="no actor named nobody runs under this root"):
        stage.bus.call("nobody", Echo("x"))


def test_an_expired_wait_says_whether_the_call_was_begun(stage: Stage) -> None:
    """H11: with the operation's id; a call in hand goes on, one that waits behind it will not be begun."""
    stage.start()
    with pytest.raises(OperationTimeout, match="it goes on and may still happen") as begun:
        stage.bus.call("server", Hold(), deadline=soon(BEGUN))
    with pytest.raises(OperationTimeout, match="it was not begun and will not be") as waiting:
        stage.bus.call("server", Count(), deadline=soon())
    assert f"(operation {begun.value.operation})" in str(begun.value)
    assert begun.value.operation.startswith(stage.bus.session)
    assert waiting.value.operation != begun.value.operation
    stage.world.gate.set()
    assert stage.bus.call("server", Count()) == 1
    assert stage.world.effects == 1


def test_a_late_reply_reaches_nobody_else(stage: Stage) -> None:
    """The next call on the same socket gets its own answer."""
    stage.start()
    with pytest.raises(OperationTimeout):
        stage.bus.call("server", Hold(), deadline=soon())
    stage.world.gate.set()
    for n in range(5):
        assert stage.bus.call("server", Echo(str(n))) == str(n)


def test_l06_a_full_mailbox_refuses_at_once() -> None:
    """L06: and what it held is answered later; the control lane works meanwhile."""
    with staged(mailbox=3) as stage:
        server, _ = stage.start()
        asked = [Asking(stage.bus, "server", Hold())]
        stage.world.held.get(timeout=PATIENCE)
        asked += [Asking(stage.bus, "server", Count()) for _ in range(2)]
        stage.in_flight("server", 3)
        for _ in range(30):
            with pytest.raises(
                MailboxFull, match=r"3 calls wait for server already \(setting calls.mailbox\)"
            ):
                stage.bus.call("server", Count())
        poked = threading.Event()
        server.post(poked.set)
        stage.world.gate.set()
        assert poked.wait(PATIENCE)
        assert sorted(map(str, (each.outcome() for each in asked))) == ["1", "2", "held"]
        assert stage.bus.call("server", Count()) == 3


def test_too_many_calls_at_once_are_refused() -> None:
    """Over all actors: what an exchange must hold is bounded at the callers."""
    with staged() as stage:
        stage.bus._in_flight = 1
        stage.start()
        asked = Asking(stage.bus, "server", Hold())
        stage.in_flight("server", 1)
        with pytest.raises(ResourceBusy, match=r"1 calls are under way already \(setting calls.in_flight\)"):
            stage.bus.call("server", Echo("x"))
        stage.world.gate.set()
        assert asked.outcome() == "held"


def test_h02_what_is_queued_at_death_is_not_started_what_is_in_hand_is_unknown(stage: Stage) -> None:
    """H02: ten queued, one in hand."""
    server, reports = stage.start()
    held = Asking(stage.bus, "server", Hold())
    stage.world.held.get(timeout=PATIENCE)
    queued = [Asking(stage.bus, "server", Count()) for _ in range(10)]
    stage.in_flight("server", 11)
    stage.bus.routes.down("server", 1, "killed")
    assert [type(each.outcome()) for each in queued] == [NotStarted] * 10
    outcome = held.outcome()
    assert type(outcome) is OutcomeUnknown
    assert (
        str(outcome) == "internal error: server ended while it handled the call: killed; it may have happened"
    )
    stage.world.gate.set()
    server.post(Stop())
    reports.exit()
    assert stage.world.effects == 0


def test_h03_a_safe_request_goes_to_the_successor(stage: Stage) -> None:
    """H03: it was certainly not begun, so the caller never hears of the death."""
    stage.start()
    held = Asking(stage.bus, "server", Hold())
    stage.world.held.get(timeout=PATIENCE)
    reads = [Asking(stage.bus, "server", Echo(str(n))) for n in range(10)]
    stage.in_flight("server", 11)
    stage.bus.routes.down("server", 1, "killed")
    stage.start(generation=2)
    assert [each.outcome() for each in reads] == [str(n) for n in range(10)]
    assert isinstance(held.outcome(), OutcomeUnknown)
    stage.world.gate.set()


def test_a_call_waits_for_the_successor_until_its_deadline(stage: Stage) -> None:
    """Between two generations nobody fails at once; and nobody waits for ever."""
    server, reports = stage.start()
    server.post(RuntimeError("boom"))
    reports.exit()
    with pytest.raises(
        OperationTimeout, match="server did not come back by the deadline; nothing was started"
    ):
        stage.bus.call("server", Count(), deadline=soon())
    waiting = Asking(stage.bus, "server", Count())
    stage.start(generation=2)
    assert waiting.outcome() == 1


@pytest.mark.parametrize("seed", range(5))
def test_h01_each_call_settles_once_whoever_is_killed(seed: int) -> None:
    """H01: 200 calls, kills at random: effects = done + some of the unknown, none of the not started."""
    random, outcomes = Random(seed), Counter[str]()
    with staged() as stage:
        server, reports = stage.start()
        for generation in range(2, 12):
            already = stage.admissions
            asked = [Asking(stage.bus, "server", Count()) for _ in range(20)]
            stage.admitted(already + random.randrange(20))
            server.post(RuntimeError("boom"))
            reports.exit()
            server, reports = stage.start(generation=generation)
            outcomes.update(type(each.outcome()).__name__ for each in asked)
        assert outcomes.total() == 200
        assert set(outcomes) <= {"int", "NotStarted", "OutcomeUnknown"}
        assert outcomes["int"] <= stage.world.effects <= outcomes["int"] + outcomes["OutcomeUnknown"]


def test_the_reply_is_never_overtaken_by_the_notice_of_death() -> None:
    """A call whose handler killed the actor gets that handler's own error, each time."""
    with staged() as stage:
        for generation in range(1, 60):
            _, reports = stage.start(generation=generation)
            with pytest.raises(InternalError) as caught:
                stage.bus.call("server", Fail("error"))
            assert type(caught.value) is InternalError
            reports.exit()


def test_h12_a_caller_that_dies_harms_nobody(stage: Stage) -> None:
    """H12: the operation completes, its reply is dropped, nothing stays in the tables."""
    stage.start()
    asked = Asking(stage.bus, "server", Hold(), deadline=soon())
    assert isinstance(asked.outcome(), OperationTimeout)
    stage.world.gate.set()
    assert stage.bus.call("server", Count()) == 1
    assert stage.bus.routes.in_flight("server") == 0
    assert stage.bus.routes._calls == {}


def test_h13_a_reply_to_a_caller_that_is_gone_is_dropped(stage: Stage) -> None:
    """H13: the exchange cannot route it, and the actor goes on."""
    server, _ = stage.start()
    server.post(lambda: server.inbox.reply(b"caller-999", b"", b""))
    assert stage.bus.call("server", Echo("x")) == "x"


def test_an_interrupted_call_spoils_no_socket(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler raises between two frames: the socket, half a message in it, is not used again."""
    stage.start()
    assert stage.bus.call("server", Echo("x")) == "x"

    def interrupted(sock: zmq.Socket[bytes], to: bytes, header: bytes, body: bytes) -> None:
        sock.send(to, zmq.SNDMORE)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("embervirt.actors.bus.send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stage.bus.call("server", Echo("x"))
    for n in range(5):
        assert stage.bus.call("server", Echo(str(n))) == str(n)


def test_l10_l11_a_message_to_a_dead_generation_reaches_nobody(stage: Stage) -> None:
    """L10, L11: its address is gone; that of the successor is another."""
    server, reports = stage.start()
    assert stage.bus.routes.address("server") == b"server#1"
    server.post(Stop())
    reports.exit()
    assert not stage.bus.tell("server", Note("lost"))
    stage.start(generation=2)
    assert stage.bus.routes.address("server") == b"server#2"
    assert stage.bus.tell("server", Note("heard"))
    assert stage.world.notes.get(timeout=PATIENCE) == "heard"


def test_notes_keep_their_order(stage: Stage) -> None:
    """Also over threads: one that was sent later arrives later."""
    stage.start()
    for n in range(100):
        thread = threading.Thread(target=stage.bus.tell, args=("server", Note(str(n))))
        thread.start()
        thread.join()
    assert [stage.world.notes.get(timeout=PATIENCE) for _ in range(100)] == [str(n) for n in range(100)]


@pytest.mark.parametrize("frames", [[b"x"], [b"x", b"y", b"z", b"z"], []])
def test_a_message_of_the_wrong_length_harms_nobody(stage: Stage, frames: list[bytes]) -> None:
    """Of two frames or five; the next caller's is not swallowed."""
    stage.start()
    foreign = socket(stage.bus.context, zmq.DEALER, b"foreign")
    with foreign:
        foreign.connect(CALLS)
        foreign.send_multipart([b"server#1", *(frames or [b""])])
        for n in range(5):
            assert stage.bus.call("server", Echo(str(n))) == str(n)


def test_what_cannot_be_read_is_refused_at_once(stage: Stage) -> None:
    """A field of the wrong type: the caller is told, without a wait for its deadline, and the actor lives."""
    stage.start()
    with pytest.raises(InvalidArgument, match=r"server cannot read a .*Echo: Expected `str`, got `int`"):
        stage.bus.call("server", Echo(5))  # type: ignore[arg-type]
    assert stage.bus.call("server", Echo("x")) == "x"


def test_a_reply_of_the_wrong_type_is_a_bug_that_is_named(stage: Stage) -> None:
    """Never an exception of the codec."""
    stage.start()
    with pytest.raises(InternalError, match="the reply to Wrong is not what it promises: Expected `int`"):
        stage.bus.call("server", Wrong())


def test_actors_call_only_whom_they_may(stage: Stage) -> None:
    """Down the order, so that no two can wait for each other."""
    stage.start("lower")
    stage.start("server", uses=frozenset({"lower"}))
    assert stage.bus.call("server", Ask("lower", "x")) == "x"
    with pytest.raises(InternalError):
        stage.bus.call("server", Ask("server", "x"))


def test_the_deadline_and_the_trace_pass_to_the_next_call(stage: Stage) -> None:
    """One request, one deadline, one trace id, however many actors it visits."""
    stage.start("lower")
    stage.start("server", uses=frozenset({"lower"}))
    with stage.bus.trace() as trace:
        while not trace.poll(10):
            stage.bus.tell("lower", Note("does the trace listen?"))
        stage.bus.call("server", Ask("lower", "x"), deadline=soon(30), trace=77)
        stage.bus.call("lower", Echo("the end"), trace=78)
        headers: list[Any] = []
        while not headers or headers[-1][4] != 78:
            kind, to, _, header, _ = trace.recv_multipart()
            if kind == b"request" and header:  # a hello has none
                headers.append([to, *msgspec.msgpack.decode(header)])
    (_, _, kind, deadline, _), (_, _, below, same, _) = asked = [each for each in headers if each[4] == 77]
    assert [each[0] for each in asked] == [b"server#1", b"lower#1"]
    assert [each.rpartition(".")[2] for each in (kind, below)] == ["Ask", "Echo"]
    assert deadline == same


# The end of a bus.


def test_the_end_settles_every_call(stage: Stage) -> None:
    """L08: in hand or queued, each hears at once that the root was closed."""
    stage.start()
    asked = [Asking(stage.bus, "server", Hold())]
    stage.world.held.get(timeout=PATIENCE)
    asked += [Asking(stage.bus, "server", each) for each in (Count(), Echo("x"), Later())]
    stage.in_flight("server", 4)
    stage.bus.routes.close(InvalidConnection("the root was closed"))
    kinds = sorted(type(each.outcome()).__name__ for each in asked)
    assert kinds.count("InvalidConnection") == 1
    assert set(kinds) == {"InvalidConnection", "NotStarted", "OutcomeUnknown"}
    with pytest.raises(InvalidConnection):
        stage.bus.call("server", Echo("x"))


def test_what_was_in_hand_at_the_end_may_have_happened() -> None:
    """Also when the end is faster than its notice, in a program that stood still say; the rest has not."""
    with staged() as stage:
        stage.start()
        asked = [Asking(stage.bus, "server", Hold())]
        stage.world.held.get(timeout=PATIENCE)
        asked.append(Asking(stage.bus, "server", Count()))
        stage.in_flight("server", 2)
        stage.bus.routes.notify = lambda pending, failure: None
        stage.bus.close()
        kinds = [type(each.outcome()).__name__ for each in asked]
        assert kinds == ["OutcomeUnknown", "InvalidConnection"]
        stage.world.gate.set()


def test_l12_the_end_takes_less_than_a_second_whoever_holds_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """L12: an actor that is stuck, a subscriber that never closes, traffic on the way."""
    assert 2 * module.PATIENCE < 1.0  # all that it ever waits; here less, so that a busy machine is as quick
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    with staged() as stage:
        stage.start()
        listener = stage.bus.trace()
        asked = [Asking(stage.bus, "server", Hold()) for _ in range(3)]
        stage.world.held.get(timeout=PATIENCE)
        for _ in range(100):
            stage.bus.tell("server", Note("on the way"))
        began = time.monotonic()
        assert not stage.bus.close()
        assert time.monotonic() - began < 1.0
        assert all(isinstance(each.outcome(), libvirtError) for each in asked)
        with listener, pytest.raises(zmq.ContextTerminated):
            while True:
                listener.recv_multipart()
        stage.world.gate.set()


def test_after_the_end_everything_refuses() -> None:
    """Calls and subscribers raise; a note or an event that is told then is nobody's."""
    bus = Bus()
    assert closed(bus)
    with pytest.raises(InvalidConnection):
        bus.call("server", Echo("x"))
    with pytest.raises(InvalidConnection):
        bus.subscriber(1)
    assert not bus.tell("server", Note("x"))


def test_l14_a_forked_child_is_refused_and_the_parent_unaffected(stage: Stage) -> None:
    """L14: calls, notes, subscribers; and the child's close frees nothing of the parent's."""
    stage.start()
    assert stage.bus.call("server", Echo("x")) == "x"
    pid = os.fork()
    if pid == 0:
        os._exit(forked(stage.bus))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert stage.bus.call("server", Echo("y")) == "y"


def forked(bus: Bus) -> int:
    """How many of the uses were not refused."""
    allowed = 0
    uses = (
        lambda: bus.call("server", Echo("x")),
        lambda: bus.tell("server", Note("x")),
        lambda: bus.subscriber(1),
    )
    for use in uses:
        try:
            use()
            allowed += 1
        except ForkedError:
            pass
    bus.close()
    return allowed


def test_a_signal_on_its_threads_does_not_end_the_exchange(stage: Stage) -> None:
    """The host program's handlers interrupt system calls of whatever thread the kernel picks."""
    stage.start()
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        for thread in stage.bus.exchange._threads:
            assert thread.ident is not None
            signal.pthread_kill(thread.ident, signal.SIGUSR1)
        assert stage.bus.call("server", Echo("x")) == "x"
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # drops what was not taken yet: it would kill
        signal.signal(signal.SIGUSR1, before)
    assert all(thread.is_alive() for thread in stage.bus.exchange._threads)


def test_an_idle_bus_uses_no_processor(stage: Stage) -> None:
    """Also while somebody listens to its events: the compiled threads wait, they do not spin."""
    stage.start()
    with stage.bus.subscriber(10):
        asked = Asking(stage.bus, "server", Later())
        future = stage.world.futures.get(timeout=PATIENCE)
        before = time.process_time()
        threading.Event().wait(0.2)
        assert time.process_time() - before < 0.1
    future.set_result("")
    assert asked.outcome() == ""


def test_a_trace_that_nobody_reads_is_bounded(stage: Stage) -> None:
    """It loses what does not fit; the calls do not notice."""
    stage.start()
    with stage.bus.trace(queue=10) as trace:
        for n in range(200):
            assert stage.bus.call("server", Echo(str(n))) == str(n)
        kept = 0
        while trace.poll(20):
            trace.recv_multipart()
            kept += 1
    assert 0 < kept < 40


def test_a_bus_that_cannot_be_made_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of descriptors half-way: its threads end, and the next attempt works."""

    def refuse(self: Bus, endpoint: str, identity: bytes) -> Any:
        raise zmq.ZMQError(errno.EMFILE)

    before = set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr(Bus, "_dealer", refuse)
        with pytest.raises(zmq.ZMQError):
            Bus()
    assert set(threading.enumerate()) <= before
    assert closed(Bus())


def test_a_failure_keeps_class_code_and_number() -> None:
    """Over the wire and back: the same class, message, code, errno."""
    with staged() as stage:
        stage.start()
        with pytest.raises(libvirtError) as caught:
            stage.bus.call("server", Fail("expected"))
        error = caught.value
        assert (type(error).__name__, error.get_error_code(), error.get_int1()) == ("OperationInvalid", 55, 7)
        assert str(error) == "Requested operation is not valid: not in this state"
        assert stage.bus.call("server", Echo("it lives")) == "it lives"


def test_a_failure_of_an_unknown_class_is_internal() -> None:
    """From a driver that is not installed here."""
    from embervirt.actors.codec import rebuild

    error = rebuild(Failure("NoSuchClass", "text", None, -1, 10))
    assert (type(error), error.get_error_domain()) == (InternalError, 10)
