"""The fake QEMU does what its script says, at the step that it names, and writes down what came."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from embervirt.testing import (
    PROBE,
    Action,
    FakeQemu,
    answers,
    closes_monitor,
    dies,
    disconnects,
    emits,
    executes,
    exits,
    garbage,
    guest_resets,
    hangs,
    huge,
    ignores,
    prints,
    refuses,
    returns,
    silent,
    twice,
    waits,
    without_id,
    wrong_id,
)
from guest.domain import SECONDS, wait_until
from guest.qmp import Client, Emulator, Message

DONE: Message = {"return": {}, "id": 1}
STOP: Message = {"event": "STOP"}
RESUME: Message = {"event": "RESUME"}
RESET: Message = {"event": "RESET"}
ENOUGH = 0.1
"""Seconds that a script waits where the test must see that it waits."""

Start = Callable[[], Emulator]


@pytest.fixture
def start(fake_qemu: FakeQemu, tmp_path: Path) -> Iterator[Start]:
    """Starts one."""
    started: list[Emulator] = []

    def make() -> Emulator:
        directory = tmp_path / str(len(started))
        directory.mkdir()
        started.append(Emulator(fake_qemu.emulator, directory, "-no-shutdown"))
        return started[-1]

    yield make
    for each in started:
        each.end()


@pytest.fixture
def emulator(start: Start) -> Emulator:
    """One."""
    return start()


@pytest.fixture
def client(emulator: Emulator) -> Client:
    """Of a guest that runs."""
    client = emulator.client().negotiate()
    assert client.ask("cont") == [RESUME, {"return": {}}]
    return client


def stop(client: Client) -> None:
    """Sent, not waited for."""
    client.say({"execute": "stop", "id": 1})


def hear(client: Client, count: int) -> list[Message | None]:
    """So many messages, None for the end of the connection."""
    return [client.hear() for _ in range(count)]


# Wrong answers.


@pytest.mark.parametrize(
    ("action", "heard"),
    [
        (silent(), [STOP]),
        (ignores(), []),
        (refuses("no", "X"), [{"error": {"class": "X", "desc": "no"}, "id": 1}]),
        (returns([1]), [{"return": [1], "id": 1}]),
        (wrong_id(), [STOP, {"return": {}, "id": "of nobody"}]),
        (without_id(), [STOP, {"return": {}}]),
        (twice(), [STOP, DONE, DONE]),
        (emits("RESET", count=3), [RESET, RESET, RESET, STOP, DONE]),
    ],
    ids=lambda value: value.name if isinstance(value, Action) else "",
)
def test_a_wrong_answer(fake_qemu: FakeQemu, client: Client, action: Action, heard: list[Message]) -> None:
    """It is heard, once, and the next command is answered."""
    fake_qemu.on("stop", action, times=1)
    stop(client)
    assert hear(client, len(heard)) == heard
    assert client.ask("query-name") == [{"return": {"name": "a"}}]
    assert client.ask("cont")[-1] == {"return": {}}


def test_an_answer_may_be_of_any_size(fake_qemu: FakeQemu, client: Client) -> None:
    """64 MiB, whole."""
    fake_qemu.on("query-status", huge(64))
    assert len(client.value("query-status")) == 64 << 20
    assert client.ask("stop") == [STOP, {"return": {}}]


def test_garbage_is_sent_as_it_is(fake_qemu: FakeQemu, client: Client) -> None:
    """Instead of the reply; the command was executed."""
    fake_qemu.on("stop", garbage(b"\x00\xff{\n"))
    stop(client)
    assert client.hear() == STOP
    assert client.line() == b"\x00\xff{"
    assert client.value("query-status")["status"] == "paused"


def test_commands_that_qemu_does_not_have_may_be_answered(fake_qemu: FakeQemu, client: Client) -> None:
    """With anything."""
    fake_qemu.on("query-balloon", returns({"actual": 1}))
    assert client.value("query-balloon") == {"actual": 1}


# Time.


def test_a_late_answer(fake_qemu: FakeQemu, client: Client) -> None:
    """It comes when it is due; commands wait behind it, events and signals do not."""
    fake_qemu.on("stop", executes(), waits(ENOUGH))
    began = time.monotonic()
    stop(client)
    client.say({"execute": "query-name", "id": 2})
    assert client.hear() == STOP
    fake_qemu.now(emits("RESET"))
    assert hear(client, 3) == [RESET, DONE, {"return": {"name": "a"}, "id": 2}]
    assert time.monotonic() - began >= ENOUGH


def test_a_process_that_hangs(fake_qemu: FakeQemu, emulator: Emulator, client: Client) -> None:
    """It serves nobody and obeys SIGKILL only; one that hangs for a time goes on after it."""
    fake_qemu.on("stop", hangs(ENOUGH), times=1)
    assert client.ask("stop") == [STOP, {"return": {}}]
    fake_qemu.on("stop", hangs())
    stop(client)
    fake_qemu.wait_for("stop", count=2)
    emulator.signal(signal.SIGTERM)
    other = emulator.client()
    client.socket.settimeout(ENOUGH)
    with pytest.raises(TimeoutError):
        client.hear()
    assert other.is_silent()
    assert fake_qemu.log("signal") == []
    fake_qemu.kill()
    assert emulator.status() == -signal.SIGKILL


def test_events_come_at_a_rate(fake_qemu: FakeQemu, client: Client) -> None:
    """While commands are answered."""
    fake_qemu.on("query-name", emits("RESET", count=50, per_second=500), times=1)
    began = time.monotonic()
    client.ask("query-name")
    for _ in range(3):
        client.ask("query-uuid")
    client.ask("stop")
    fake_qemu.now(emits("LAST"))
    heard = [client.hear()]
    while heard.count(RESET) < 40:
        heard.append(client.hear())
    assert time.monotonic() - began >= 40 / 500


def test_a_burst_does_not_wait_for_who_does_not_read(
    fake_qemu: FakeQemu, emulator: Emulator, client: Client
) -> None:
    """30,000 events are heard whole and in order; while ever so many wait, SIGTERM is obeyed."""
    fake_qemu.on("stop", emits("RESET", {"text": "x" * 50}, count=30_000))
    stop(client)
    last = client.hear()
    for _ in range(30_000):
        before, last = last, client.hear()
    assert (before, last, client.hear()) == ({"event": "RESET", "data": {"text": "x" * 50}}, STOP, DONE)
    fake_qemu.on("stop", emits("RESET", count=10**9))
    stop(client)
    fake_qemu.wait_for("stop", count=2)
    emulator.signal(signal.SIGTERM)
    assert emulator.status() == 0


# Connections and ends.


@pytest.mark.parametrize(
    ("action", "executed"), [([disconnects()], True), ([ignores(), disconnects()], False)]
)
def test_a_connection_that_ends_before_the_reply(
    fake_qemu: FakeQemu, emulator: Emulator, client: Client, action: list[Action], executed: bool
) -> None:
    """The command was executed, unless it was not; the next client is served."""
    fake_qemu.on("stop", *action)
    stop(client)
    assert client.rest() == [STOP] * executed
    again = emulator.client().negotiate()
    assert again.value("query-status")["running"] is not executed


def test_a_late_reply_is_not_for_the_next_client(
    fake_qemu: FakeQemu, emulator: Emulator, client: Client
) -> None:
    """Nobody hears it; commands of the next client wait behind it all the same."""
    fake_qemu.on("stop", waits(ENOUGH))
    stop(client)
    fake_qemu.wait_for("stop")
    client.close()
    again = emulator.client()
    again.say({"execute": "qmp_capabilities", "id": 2})
    greeting = again.hear()
    assert greeting and "QMP" in greeting
    assert again.hear() == {"return": {}, "id": 2}
    assert again.value("query-status")["status"] == "paused"


def test_a_monitor_that_closes_for_good(fake_qemu: FakeQemu, emulator: Emulator, client: Client) -> None:
    """Nobody can connect any more; SIGTERM works."""
    fake_qemu.on("stop", closes_monitor())
    stop(client)
    assert client.rest() == [STOP]
    with pytest.raises(ConnectionRefusedError):
        emulator.client()
    emulator.signal(signal.SIGTERM)
    assert emulator.status() == 0


@pytest.mark.parametrize(
    ("action", "status"),
    [(exits(3), 3), (dies(), -9), (dies(signal.SIGSEGV), -11), (dies(signal.SIGTERM), -15)],
)
def test_an_end_at_a_command(
    fake_qemu: FakeQemu, emulator: Emulator, client: Client, action: Action, status: int
) -> None:
    """No event, no reply, that status; the socket's file stays, and the log has it."""
    fake_qemu.on("stop", action)
    stop(client)
    assert client.rest() == []
    assert emulator.status() == status
    assert emulator.path.exists()
    assert [each.name for each in fake_qemu.log("exit")] == [str(status)]


def test_an_end_after_the_reply(fake_qemu: FakeQemu, emulator: Emulator, client: Client) -> None:
    """What stands behind ``answers`` comes after it."""
    fake_qemu.on("stop", answers(), exits(3))
    stop(client)
    assert client.rest() == [STOP, DONE]
    assert emulator.status() == 3


def test_sigterm_may_be_ignored_and_the_end_delayed(
    fake_qemu: FakeQemu, emulator: Emulator, client: Client
) -> None:
    """The first one is ignored, the second one obeyed after a while."""
    fake_qemu.on("SIGTERM", ignores(), times=1)
    fake_qemu.on("exit", waits(ENOUGH))
    emulator.signal(signal.SIGTERM)
    fake_qemu.wait_for("SIGTERM")
    assert client.ask("query-name") == [{"return": {"name": "a"}}]
    began = time.monotonic()
    emulator.signal(signal.SIGTERM)
    shutdown = {"event": "SHUTDOWN", "data": {"guest": False, "reason": "host-signal"}}
    assert client.rest() == [shutdown]
    assert emulator.status() == 0
    assert time.monotonic() - began >= ENOUGH


# Steps that are no commands.


def test_a_process_that_fails_at_its_start(fake_qemu: FakeQemu, start: Start) -> None:
    """The first one lives, the second one prints and exits; who connected hears nothing."""
    fake_qemu.on("spawn", prints("no\n", times=2), exits(1), after=1, times=1)
    assert start().client().hear()
    emulator = start()
    assert (emulator.status(), emulator.output.read_text()) == (1, "no\nno\n")
    assert start().client().hear()


def test_a_greeting_that_never_comes(fake_qemu: FakeQemu, start: Start) -> None:
    """The first client is greeted, the second is not."""
    fake_qemu.on("greeting", ignores(), after=1, times=1)
    emulator = start()
    emulator.client().negotiate().close()
    second = emulator.client()
    fake_qemu.wait_for("connect", count=2)
    second.say({"execute": "qmp_capabilities", "id": 1})
    assert second.hear() == DONE


def test_the_nth_command_of_any_kind(fake_qemu: FakeQemu, start: Start) -> None:
    """The negotiation counts."""
    fake_qemu.on("*", exits(4), after=2)
    emulator = start()
    client = emulator.client().negotiate()
    assert client.ask("query-name")
    stop(client)
    assert client.rest() == []
    assert emulator.status() == 4


def test_what_is_only_asked_follows_no_rule_of_a_guest(fake_qemu: FakeQemu, start: Start) -> None:
    """A process without a name is a probe; rules may be for probes, or for one guest."""
    fake_qemu.on("query-name", refuses("probe"), guest=PROBE)
    fake_qemu.on("query-uuid", refuses("b"), guest="b")
    client = start().client().negotiate()
    assert client.value("query-name") == {"name": "a"}
    assert client.value("query-uuid")


# The script and the log.


def test_rules_may_change_while_it_runs(fake_qemu: FakeQemu, client: Client) -> None:
    """A rule holds from the next command on, until it is cleared."""
    for _ in range(3):
        fake_qemu.on("query-name", refuses("no"))
        assert client.ask("query-name") == [{"error": {"class": "GenericError", "desc": "no"}}]
        fake_qemu.clear()
        assert client.ask("query-name") == [{"return": {"name": "a"}}]


def test_a_prompt_reaches_who_runs(fake_qemu: FakeQemu, start: Start) -> None:
    """Each once, or only the one that is meant; who starts later does not hear of it."""
    clients = [start().client().negotiate() for _ in range(2)]
    for client in clients:
        client.ask("cont")
    reset = {"event": "RESET", "data": {"guest": True, "reason": "guest-reset"}}
    fake_qemu.now(guest_resets())
    assert [client.hear() for client in clients] == [reset, reset]
    first, second = fake_qemu.running()
    fake_qemu.now(emits("X"), pid=second.pid)
    assert clients[1].hear() == {"event": "X"}
    late = start().client().negotiate()
    assert [client.ask("query-name") for client in (*clients, late)] == [[{"return": {"name": "a"}}]] * 3
    assert first.pid != second.pid


def test_the_log_has_all_that_came(fake_qemu: FakeQemu, emulator: Emulator, client: Client) -> None:
    """In order, with times, arguments, process and guest."""
    client.ask("query-status", foo="bar")
    client.close()
    fake_qemu.wait_for("disconnect")
    emulator.signal(signal.SIGTERM)
    emulator.status()
    log = fake_qemu.log()
    kinds = [(each.what, each.name) for each in log]
    commands = [("command", name) for name in ("qmp_capabilities", "cont", "query-status")]
    before, after = (
        [("spawn", ""), ("connect", "")],
        [("disconnect", ""), ("signal", "SIGTERM"), ("exit", "0")],
    )
    assert kinds == before + commands + after
    assert fake_qemu.commands() == [name for _, name in commands]
    assert {(each.pid, each.guest) for each in log} == {(emulator.child.pid, "a")}
    assert [each.at for each in log] == sorted(each.at for each in log)
    assert log[-1].at <= time.monotonic()
    assert log[4].arguments == {"foo": "bar"}
    assert "-no-shutdown" in log[0].argv
    assert fake_qemu.running() == []


def test_what_does_not_come_is_told(fake_qemu: FakeQemu, client: Client) -> None:
    """With the last entries of the log."""
    with pytest.raises(TimeoutError, match=r"0 of 1 entries within 0 s.*name='cont'"):
        fake_qemu.wait_for("stop", seconds=0)


# Its start.


def test_it_starts_fast(fake_qemu: FakeQemu, start: Start) -> None:
    """In less than 0.1 s of the processor it greets: about 25 ms on a machine with nothing else to do."""
    times = []
    for _ in range(9):
        emulator = start()
        assert emulator.client().hear()
        used = psutil.Process(emulator.child.pid).cpu_times()
        times.append(used.user + used.system)
    assert min(times) < 0.1


def test_it_says_what_it_lacks(fake_qemu: FakeQemu, tmp_path: Path) -> None:
    """Without a monitor it ends with an error; its script and launcher are nobody else's to read."""
    done = subprocess.run([fake_qemu.emulator, "-S"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "fake QEMU: no monitor: expected -chardev" in done.stderr
    assert fake_qemu.directory.stat().st_mode & 0o077 == 0
    assert json.loads((fake_qemu.directory / "script.json").read_text()) == []


def test_directories_with_odd_names(tmp_path: Path) -> None:
    """Spaces, quotes and dollars are no matter to the launcher."""
    fake = FakeQemu(tmp_path / "a 'b' \"c\" $d", version=(8, 2, 1))
    emulator = Emulator(fake.emulator, tmp_path)
    try:
        greeting = emulator.client().hear()
    finally:
        emulator.end()
    assert greeting and greeting["QMP"]["version"]["qemu"] == {"major": 8, "minor": 2, "micro": 1}
    wait_until(lambda: fake.running() == [], SECONDS)
