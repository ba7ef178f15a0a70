"""A QMP session for threads: every call ends, with an answer or with an error that says why there is none."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import socket
import subprocess
import threading
import time
import traceback
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from qemu.qmp import QMPClient
from qemu.qmp.protocol import Runstate

from counted import descriptors
from embervirt.drivers.qemu.backend.monitor import Monitor, MonitorLoop, answer
from embervirt.drivers.qemu.errors import MonitorError, MonitorLost, MonitorTimeout
from embervirt.drivers.root import sockets
from embervirt.errors import InternalError, OperationTimeout, OutcomeUnknown

pytestmark = pytest.mark.filterwarnings("error")
"""A socket or process that is only collected as garbage is a leak."""

QEMU = "/usr/bin/qemu-system-x86_64"
LONG = 60.0
"""Seconds that nothing here needs."""

SHORT = 0.2
"""Seconds that a call waits for what will not come."""


class Qemu:
    """A QEMU without a machine, whose monitor listens at ``path``."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "monitor.sock"
        with sockets.listen(self.path) as listening:
            number = listening.fileno()
            argv = [QEMU, "-S", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "none"]
            chardev = f"socket,id=m,fd={number},server=on,wait=on"
            self.child = subprocess.Popen(
                [*argv, "-chardev", chardev, "-mon", "chardev=m,mode=control"], pass_fds=[number]
            )

    def end(self) -> None:
        """Kills it."""
        self.child.kill()
        self.child.wait()


class Ends:
    """Collects what a session tells: its events and its end."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.closed: Future[Exception | None] = Future()

    def event(self, event: dict[str, Any]) -> None:
        """``on_event``."""
        self.events.append(event)

    def close(self, cause: Exception | None) -> None:
        """``on_close``; a second call would raise."""
        self.closed.set_result(cause)

    def session(self, loop: MonitorLoop, where: Path | socket.socket, seconds: float = LONG) -> Monitor:
        """A session that tells it here."""
        return Monitor.connect(loop, where, time.monotonic() + seconds, self.event, self.close)


@pytest.fixture
def loop() -> Iterator[MonitorLoop]:
    """A running loop."""
    with MonitorLoop() as running:
        yield running


@pytest.fixture
def qemu(tmp_path: Path) -> Iterator[Qemu]:
    """A running QEMU."""
    started = Qemu(tmp_path)
    yield started
    started.end()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection: our end and that of a QMP server to be played."""
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def play_greeting(far: socket.socket) -> None:
    """Plays a QEMU up to the end of the negotiation."""
    far.send(b'{"QMP": {"version": {}, "capabilities": []}}\n')
    request = json.loads(far.recv(1000))
    far.send(json.dumps({"return": {}, "id": request.get("id")}).encode() + b"\n")


def connected(loop: MonitorLoop, ends: Ends, pair: tuple[socket.socket, socket.socket]) -> Monitor:
    """A session with a played QEMU."""
    with ThreadPoolExecutor(1) as player:
        played = player.submit(play_greeting, pair[1])
        monitor = ends.session(loop, pair[0])
        played.result()
    return monitor


def outcome(call: Callable[[], object]) -> BaseException | None:
    """What a call raises."""
    try:
        call()
    except InternalError as error:
        return error
    return None


def test_qemu_answers(loop: MonitorLoop, qemu: Qemu) -> None:
    """A command's return value is what QEMU sent."""
    monitor = Ends().session(loop, qemu.path)
    assert monitor.execute("query-version", timeout=LONG)["qemu"]["major"] >= 7
    arguments = {"path": "/machine", "property": "type"}
    assert monitor.execute("qom-get", arguments, timeout=LONG) == "none-machine"


def test_a_refusal_has_qemus_class_and_words(loop: MonitorLoop, qemu: Qemu) -> None:
    """It reads as libvirt's, and the session goes on."""
    monitor = Ends().session(loop, qemu.path)
    with pytest.raises(MonitorError) as refused:
        monitor.execute("device_del", {"id": "nobody"}, timeout=LONG)
    assert (refused.value.error_class, refused.value.desc) == ("DeviceNotFound", "Device 'nobody' not found")
    message = "internal error: unable to execute QEMU command 'device_del': Device 'nobody' not found"
    assert (refused.value.get_error_code(), refused.value.get_error_domain(), str(refused.value)) == (
        1,
        10,
        message,
    )
    assert monitor.execute("query-status", timeout=LONG)["running"] is False


def test_a_session_takes_small_answers_into_small_buffers(loop: MonitorLoop, qemu: Qemu) -> None:
    """From its greeting on: what malloc keeps of a large one would be kept for each thread of monitors."""
    tracemalloc.start()
    try:
        monitor = Ends().session(loop, qemu.path)
        assert monitor.execute("query-status", timeout=LONG)["running"] is False
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()


def test_a_session_that_ends_as_it_begins_is_lost(
    loop: MonitorLoop, qemu: Qemu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU was killed after the negotiation: no session, and no assertion of the client's."""
    establish = QMPClient._establish_session

    async def killed(client: QMPClient) -> None:
        await establish(client)
        qemu.child.kill()
        while client.runstate is Runstate.RUNNING:
            await client.runstate_changed()

    monkeypatch.setattr(QMPClient, "_establish_session", killed)
    with pytest.raises(MonitorLost, match="the connection ended during connect"):
        Ends().session(loop, qemu.path)


def test_arguments_that_are_no_json_are_refused(loop: MonitorLoop, qemu: Qemu) -> None:
    """Nothing is sent and the session goes on."""
    monitor = Ends().session(loop, qemu.path)
    with pytest.raises(TypeError, match="JSON serializable"):
        monitor.execute("query-status", {"value": {1, 2}}, timeout=LONG)
    assert monitor.execute("query-status", timeout=LONG)["running"] is False


def test_a_secret_stays_with_qemu(loop: MonitorLoop, qemu: Qemu, caplog: pytest.LogCaptureFixture) -> None:
    """No log at any level, no exception, none of its causes and no traceback shows an argument."""
    secret = "d2hhdCBhIHNlY3JldA"
    arguments = {"qom-type": "secret", "id": "s", "data": secret}
    with caplog.at_level(logging.DEBUG):
        monitor = Ends().session(loop, qemu.path)
        monitor.execute("object-add", arguments, timeout=LONG)
        with pytest.raises(MonitorError, match="duplicate property") as refused:
            monitor.execute("object-add", arguments, timeout=LONG)
        qemu.end()
        lost = outcome(lambda: monitor.execute("object-add", arguments, timeout=LONG))
    assert isinstance(lost, MonitorLost)
    shown = caplog.text
    for error in (refused.value, lost):
        assert (error.__cause__, error.__context__) == (None, None) or error.__suppress_context__
        shown += repr((error, error.__cause__, error.__context__))
        shown += "".join(traceback.format_exception(error))
    assert secret not in shown
    loud = {record.name for record in caplog.records if record.levelno > logging.DEBUG}
    assert loud <= {"embervirt.qmp"}
    assert "object-add" in shown


def test_calls_of_many_threads_do_not_mix(loop: MonitorLoop, qemu: Qemu) -> None:
    """Each of 400 concurrent calls gets its own answer."""
    monitor = Ends().session(loop, qemu.path)

    def echo(number: int) -> bool:
        name = f"command-{number}"
        error = outcome(lambda: monitor.execute(name, timeout=LONG))
        return isinstance(error, MonitorError) and name in error.desc

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(echo, range(400)))


def test_a_call_ends_at_its_time_and_its_late_answer_is_dropped(loop: MonitorLoop, qemu: Qemu) -> None:
    """A QEMU that hangs costs the time-out; once it goes on, the next call gets its own answer."""
    monitor = Ends().session(loop, qemu.path)
    qemu.child.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(MonitorTimeout, match=r"no answer to query-version within 0.2 s") as late:
        monitor.execute("query-version", timeout=SHORT)
    assert SHORT <= time.monotonic() - began < LONG / 2
    assert isinstance(late.value, OperationTimeout)
    qemu.child.send_signal(signal.SIGCONT)
    assert monitor.execute("query-status", timeout=LONG)["running"] is False


def test_a_call_ends_when_qemu_dies(loop: MonitorLoop, qemu: Qemu) -> None:
    """It does not wait for its time-out, and is known to have perhaps happened; the end is told once."""
    ends = Ends()
    monitor = ends.session(loop, qemu.path)
    qemu.child.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(outcome, lambda: monitor.execute("query-status", timeout=LONG)) for _ in range(2)
        ]
        qemu.end()
        errors = [call.result(LONG / 2) for call in calls]
    assert [type(error) for error in errors] == [MonitorLost, MonitorLost]
    assert issubclass(MonitorLost, OutcomeUnknown)
    assert isinstance(ends.closed.result(LONG), EOFError | ConnectionError)
    with pytest.raises(MonitorLost):
        monitor.execute("query-status", timeout=LONG)
    monitor.close()


def test_a_close_ends_calls_and_leaves_qemu_running(loop: MonitorLoop, qemu: Qemu) -> None:
    """Calls in flight end at once, ``on_close`` gets no cause, and the next session is served."""
    ends = Ends()
    monitor = ends.session(loop, qemu.path)
    qemu.child.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(outcome, lambda: monitor.execute("query-status", timeout=LONG))
        monitor.close()
        assert isinstance(call.result(LONG / 2), MonitorLost)
    monitor.close()
    assert ends.closed.result(0) is None
    assert loop.monitors == set()
    qemu.child.send_signal(signal.SIGCONT)
    assert Ends().session(loop, qemu.path).execute("query-status", timeout=LONG)["running"] is False


def test_the_end_of_the_loop_ends_everything(qemu: Qemu) -> None:
    """Calls in flight, calls to come and connections to come are MonitorLost."""
    loop, ends = MonitorLoop(), Ends()
    monitor = ends.session(loop, qemu.path)
    qemu.child.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        call = pool.submit(outcome, lambda: monitor.execute("query-status", timeout=LONG))
        coming = pool.submit(outcome, lambda: Ends().session(loop, qemu.path))
        loop.close()
        assert isinstance(call.result(LONG / 2), MonitorLost)
        assert isinstance(coming.result(LONG / 2), MonitorLost)
    loop.close()
    assert ends.closed.done()
    with pytest.raises(MonitorLost, match="loop of the monitors is closed"):
        monitor.execute("query-status", timeout=LONG)
    with pytest.raises(MonitorLost, match="loop of the monitors is closed"):
        Ends().session(loop, qemu.path)


def test_a_call_that_a_closing_loop_drops_is_lost() -> None:
    """What the loop had still to do when it ended has no answer, and says so."""
    loop = MonitorLoop()
    call = loop.start(asyncio.sleep, LONG)
    loop.close()
    with pytest.raises(MonitorLost, match="its loop was closed during query-status"):
        answer(call, "query-status", "that is gone", LONG)


def test_events_arrive_as_they_were_sent(loop: MonitorLoop, qemu: Qemu) -> None:
    """In order, whole, before the answer of the command that caused them; and none is kept."""
    ends = Ends()
    monitor = ends.session(loop, qemu.path)
    for command in ("cont", "stop", "cont"):
        monitor.execute(command, timeout=LONG)
    monitor.execute("query-status", timeout=LONG)
    assert [event["event"] for event in ends.events] == ["RESUME", "STOP", "RESUME"]
    assert all(set(event["timestamp"]) == {"seconds", "microseconds"} for event in ends.events)
    assert monitor._client.events.history == ()


def test_an_event_that_nobody_can_handle_ends_the_session(loop: MonitorLoop, qemu: Qemu) -> None:
    """What ``on_event`` raises is the cause that ``on_close`` gets, and calls end."""
    ends = Ends()

    def fails(event: dict[str, Any]) -> None:
        raise LookupError(event["event"])

    monitor = Monitor.connect(loop, qemu.path, time.monotonic() + LONG, fails, ends.close)
    assert isinstance(outcome(lambda: monitor.execute("cont", timeout=LONG)), MonitorLost | None)
    cause = ends.closed.result(LONG)
    assert isinstance(cause, LookupError)
    assert cause.args == ("RESUME",)


def test_a_callback_cannot_wait_for_its_own_thread(loop: MonitorLoop, qemu: Qemu) -> None:
    """A call from ``on_event`` is an error at once, not a dead lock; a close there does not wait."""
    errors: Future[BaseException | None] = Future()
    returned, ends = threading.Event(), Ends()

    def calls(event: dict[str, Any]) -> None:
        errors.set_result(outcome(lambda: monitor.execute("query-status", timeout=LONG)))
        monitor.close()
        returned.set()

    monitor = Monitor.connect(loop, qemu.path, time.monotonic() + LONG, calls, ends.close)
    outcome(lambda: monitor.execute("cont", timeout=LONG))
    assert "must not wait" in str(errors.result(LONG))
    assert ends.closed.result(LONG) is None
    assert returned.is_set()


def test_a_cut_needs_no_loop(loop: MonitorLoop, pair: tuple[socket.socket, socket.socket]) -> None:
    """While the loop's thread hangs in a callback, ``shut`` ends the connection for QEMU."""
    entered, leave = threading.Event(), threading.Event()

    def hangs(event: dict[str, Any]) -> None:
        entered.set()
        leave.wait(LONG)

    ends = Ends()
    ends.event = hangs  # type: ignore[method-assign]
    monitor = connected(loop, ends, pair)
    pair[1].send(b'{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}\n')
    assert entered.wait(LONG)
    monitor.shut()
    pair[1].settimeout(LONG)
    assert pair[1].recv(1) == b""
    leave.set()
    assert isinstance(ends.closed.result(LONG), EOFError | ConnectionError)


def test_a_greeting_that_does_not_come_ends_at_the_deadline(loop: MonitorLoop, tmp_path: Path) -> None:
    """A listener that nobody serves costs the deadline, no more, and the connection is closed."""
    before = descriptors()
    with sockets.listen(tmp_path / "s"):
        began = time.monotonic()
        with pytest.raises(MonitorTimeout, match="no answer to connect within"):
            Ends().session(loop, tmp_path / "s", SHORT)
        assert SHORT - 0.01 <= time.monotonic() - began < LONG / 2
    assert descriptors() == before


def test_a_monitor_serves_one_client(loop: MonitorLoop, qemu: Qemu) -> None:
    """A second session with a QEMU that has one gets no greeting, and does not harm the first."""
    first = Ends().session(loop, qemu.path)
    with pytest.raises(MonitorTimeout):
        Ends().session(loop, qemu.path, SHORT)
    assert first.execute("query-status", timeout=LONG)["running"] is False


@pytest.mark.parametrize("words", [b"", b"hello\n", b"{}\n", b"[1]\n", b'{"QMP": {"vers', b'{"QMP": 5}\n'])
def test_a_peer_that_is_no_qemu_is_known_at_once(
    loop: MonitorLoop, pair: tuple[socket.socket, socket.socket], words: bytes
) -> None:
    """An end of file or nonsense instead of a greeting is MonitorLost, long before the deadline."""
    near, far = pair
    ends = Ends()
    far.send(words)
    far.shutdown(socket.SHUT_WR)
    began = time.monotonic()
    with pytest.raises(MonitorLost, match="the connection ended during connect"):
        ends.session(loop, near)
    assert time.monotonic() - began < LONG / 4
    assert near.fileno() == -1
    assert not ends.closed.done()


def test_nonsense_in_a_session_ends_it(loop: MonitorLoop, pair: tuple[socket.socket, socket.socket]) -> None:
    """What is no QMP is not skipped: the session ends and says what it saw."""
    ends = Ends()
    connected(loop, ends, pair)
    pair[1].send(b"nonsense\n")
    assert "nonsense" in str(ends.closed.result(LONG))


@pytest.mark.parametrize("id_", [{"id": "of nobody"}, {}])
def test_h06_an_answer_to_nobody_is_dropped_and_counted(
    loop: MonitorLoop, pair: tuple[socket.socket, socket.socket], id_: dict[str, str]
) -> None:
    """Whoever waits gets his own, which comes later; a second one of that is one to nobody as well."""
    monitor = connected(loop, Ends(), pair)
    asked = monitor.submit("query-name", timeout=LONG)
    request = json.loads(pair[1].recv(1000))
    own = json.dumps({"return": {"name": "own"}, "id": request["id"]})
    pair[1].send(json.dumps({"return": {"name": "other"}, **id_}).encode() + b"\n")
    pair[1].send(own.encode() + b"\n")
    assert asked.result(LONG) == {"name": "own"}
    again = monitor.submit("query-name", timeout=LONG)
    pair[1].send(own.encode() + b"\n")
    request = json.loads(pair[1].recv(1000))
    pair[1].send(json.dumps({"return": {"name": "second"}, "id": request["id"]}).encode() + b"\n")
    assert again.result(LONG) == {"name": "second"}
    assert monitor.strays == 2
    monitor.close()  # before its socket, which is the fixture's, goes


def test_no_listener_is_known_at_once(loop: MonitorLoop, tmp_path: Path) -> None:
    """The message names the path and the reason."""
    with pytest.raises(MonitorLost, match=f"{tmp_path}/s: No such file or directory"):
        Ends().session(loop, tmp_path / "s")
    sockets.listen(tmp_path / "s").close()
    with pytest.raises(MonitorLost, match=f"{tmp_path}/s: Connection refused"):
        Ends().session(loop, tmp_path / "s")


def test_a_long_path_is_no_matter(loop: MonitorLoop, tmp_path: Path) -> None:
    """A monitor under a directory of more than 200 bytes is served like any other."""
    directory = tmp_path / ("d" * 200)
    directory.mkdir(0o700)
    qemu = Qemu(directory)
    assert Ends().session(loop, qemu.path).execute("query-status", timeout=LONG)["running"] is False
    qemu.end()


def test_loops_and_sessions_leave_nothing(qemu: Qemu) -> None:
    """A hundred loops with a session each leave no thread, no descriptor and no warning."""
    with MonitorLoop() as first:
        Ends().session(first, qemu.path)
    before = descriptors(), threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(100):
            with MonitorLoop() as loop:
                assert Ends().session(loop, qemu.path).execute("query-status", timeout=LONG)
        gc.collect()
    assert (descriptors(), threading.active_count()) == before


def test_the_hosts_event_loop_stays_its_own() -> None:
    """A loop made in a thread of the host does not become that thread's current loop, running or not."""
    own = asyncio.new_event_loop()
    asyncio.set_event_loop(own)

    async def inside() -> None:
        MonitorLoop().close()
        assert asyncio.get_running_loop() is own

    MonitorLoop().close()
    assert asyncio.get_event_loop() is own
    own.run_until_complete(inside())
    asyncio.set_event_loop(None)
    own.close()
