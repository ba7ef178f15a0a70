"""How a QEMU ends, or does not: what is told, what is left, what may be started again."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.drivers.qemu.actor.reboots import SAME
from embervirt.drivers.qemu.messages import Degraded, Lifecycle, NotRevived, Query, Rebooted, Recovered
from embervirt.drivers.qemu.service import stop
from embervirt.errors import OutcomeUnknown
from embervirt.supervisor.identity import stopped
from embervirt.testing import Action, FakeQemu, closes_monitor, disconnects, emits, exits, ignores, waits
from embervirt.testing import guest_shuts_down as powers_off
from guest import headers
from guest.calls import code_of, guests, nothing_is_left
from guest.domain import SECONDS, kill, pid_of, small, uri, wait_until, watching
from guest.memory_group import BOUNDED, GREEDY, OOM, limited

STARTED, STOPPED = libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STOPPED

RUNNING, SHUTOFF = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_SHUTOFF
CRASHED, DESTROYED = libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED
STATUS = '{"execute": "query-status"}'
CYCLES = int(os.environ.get("STOP_START_CYCLES", "25"))
"""1,000 take four minutes; as many in simulated time are in ``simulation/test_cycles``."""


@pytest.fixture
def sigterm(request: pytest.FixtureRequest) -> float:
    """Seconds for a QEMU to obey that: few only where it is not to obey."""
    return float(getattr(request, "param", SECONDS))


@pytest.fixture
def fake(embervirt_root: Path, fake_qemu: FakeQemu, sigterm: float) -> Iterator[libvirt.virConnect]:
    """A connection whose guests live in the fake QEMU."""
    settings = {"qemu.emulator": str(fake_qemu.emulator), "qemu.destroy_timeout": sigterm}
    with libvirt.open(uri(embervirt_root), settings=settings) as made:
        yield made


def steps(conn: libvirt.virConnect, what: str) -> list[str]:
    """Of the last operation of that kind."""
    found: list[str] = [each for each in conn.root.journal.values() if each.what == what][-1].steps
    return found


# Starts.


def test_i01_a_qemu_that_exits_at_once_is_a_failed_start(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """With its last lines, no restart, and nothing left but the log."""
    disk = tmp_path / "no.qcow2"
    headers.qcow2(disk)
    devices = f"""<disk type='file'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
        <target dev='vda' bus='virtio'/></disk>"""
    domain = conn.defineXML(small("a", devices=devices))
    with watching(conn.root) as events:
        with pytest.raises(libvirt.libvirtError, match="does not contain a reference count table"):
            domain.create()
        assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED]
        [start] = conn.root.journal.values()
        assert (start.state, "does not contain a reference count table" in start.error) == ("failed", True)
        assert nothing_is_left(conn, tmp_path / "root", before={"a.log"})
        assert events.fitting(lambda event: isinstance(event, Lifecycle)) == []
    assert guests(conn) == []


@pytest.mark.parametrize("step", ["spawn", "greeting", "qmp_capabilities", "query-chardev", "cont"])
def test_i05_a_qemu_that_dies_in_any_step_of_its_start_undoes_it(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, embervirt_root: Path, step: str
) -> None:
    """The start has failed, for certain; the error says where; the next one works."""
    domain = fake.defineXML(small("a"))
    fake_qemu.on(step, exits(7), guest="a", times=1)
    with pytest.raises(libvirt.libvirtError) as failed:
        domain.create()
    assert failed.value.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR
    assert not isinstance(failed.value, OutcomeUnknown)
    assert (f"at {step}" if step in ("query-chardev", "cont") else "while connecting") in str(failed.value)
    assert [(each.what, each.state) for each in fake.root.journal.values()] == [("start", "failed")]
    assert fake_qemu.running() == []
    assert nothing_is_left(fake, embervirt_root, before={"a.log"})
    fake_qemu.clear()
    domain.create()
    domain.destroy()


def test_i10_a_reset_during_the_start_does_not_spoil_it(
    fake: libvirt.virConnect, fake_qemu: FakeQemu
) -> None:
    """QEMU emits it before cont; the guest runs, and has not stopped."""
    fake_qemu.on("query-chardev", emits("RESET", {"guest": False, "reason": "host-qmp-system-reset"}))
    with watching(fake.root) as events:
        domain = fake.defineXML(small("a"))
        domain.create()
        assert domain.state() == [RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED]
        domain.destroy()
        told = events.wait(lambda event: isinstance(event, Lifecycle), count=3)
        assert [each.event for each in told if isinstance(each, Lifecycle)] == [0, 2, 5]


# What happens to one that runs.


@pytest.mark.parametrize("fault", [disconnects(), closes_monitor()], ids=["disconnects", "closes"])
def test_i02_the_end_of_the_connection_is_no_stop(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, fault: Action
) -> None:
    """QEMU lives: the guest is degraded until there is a session again, and can be destroyed without one."""
    domain = fake.defineXML(small("a"))
    domain.create()
    with watching(fake.root) as events:
        fake_qemu.on("query-name", fault, times=1)
        with pytest.raises(libvirt.libvirtError):
            domain._call(Query('{"execute": "query-name"}'))
        degraded, *_ = events.wait(lambda event: isinstance(event, Degraded))
        assert isinstance(degraded, Degraded) and "the connection ended while QEMU runs" in degraded.why
        assert domain.state()[0] == RUNNING
        if fault == disconnects():
            events.wait(lambda event: isinstance(event, Recovered))
            domain.suspend()
        else:
            assert code_of(domain.suspend) == libvirt.VIR_ERR_OPERATION_FAILED
        assert len(fake_qemu.log("spawn", "a")) == 1
        domain.destroy()
    assert domain.state() == [SHUTOFF, DESTROYED]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_i03_i04_a_death_by_signal_is_seen_within_a_second(
    conn: libvirt.virConnect, tmp_path: Path, number: signal.Signals
) -> None:
    """As a crash, with its cause; nothing is left, and the domain starts again."""
    domain, took = conn.defineXML(small("a")), []
    for _ in range(3):  # the shortest: others may be at work
        domain.create()
        with watching(conn.root) as events:
            began = time.monotonic()
            os.kill(pid_of(tmp_path / "root", "a"), number)
            [ended] = events.wait(lambda event: isinstance(event, Lifecycle))
            took.append(time.monotonic() - began)
        assert isinstance(ended, Lifecycle)
        assert (ended.event, ended.detail, ended.why) == (5, 5, f"killed by signal {number} ({number.name})")
        assert domain.state() == [SHUTOFF, CRASHED]
        assert nothing_is_left(conn, tmp_path / "root", before={"a.log"})
    assert min(took) < 1


def test_i04_the_oom_killer_is_told_as_the_cause(conn: libvirt.virConnect) -> None:
    """By its counter in the memory cgroup that QEMU was started in."""
    domain = conn.defineXML(small("a"))
    with limited(BOUNDED) as leave, watching(conn.root) as events:
        domain.create()
        leave()
        with pytest.raises(libvirt.libvirtError):
            domain._call(Query(json.dumps(GREEDY)))
        [ended] = events.wait(lambda event: isinstance(event, Lifecycle) and event.event == STOPPED)
    assert isinstance(ended, Lifecycle)
    assert (ended.why, domain.state()) == (f"killed by signal 9 (SIGKILL){OOM}", [SHUTOFF, CRASHED])


def test_i03_a_killed_guest_starts_again_when_its_policy_says_so(tmp_path: Path) -> None:
    """on_crash restart holds for a QEMU that died too: another run, until that happens too often."""
    root, limit = tmp_path / "root", 3
    settings = {"supervision.guest_intensity": limit, "supervision.guest_period": 1000.0}
    with libvirt.open(uri(root), settings=settings) as conn, watching(conn.root) as events:
        domain = conn.defineXML(small("a").replace("<os>", "<on_crash>restart</on_crash><os>"))
        domain.create()
        for run in range(1, limit + 1):
            kill(pid_of(tmp_path / "root", "a"))
            events.wait(lambda event: isinstance(event, Lifecycle) and event.event == STARTED, count=run + 1)
        kill(pid_of(tmp_path / "root", "a"))
        [given_up] = events.wait(lambda event: isinstance(event, NotRevived))
        assert isinstance(given_up, NotRevived) and "it stays off" in given_up.why
        told = events.fitting(lambda event: isinstance(event, Lifecycle))
        runs = {event.id for event in told if isinstance(event, Lifecycle)} - {-1}
        assert (runs, domain.state()) == (set(range(1, limit + 2)), [SHUTOFF, CRASHED])


def test_i03_a_transient_guest_starts_again_too(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """From the description that it was started with; it is no less transient then."""
    domain = conn.createXML(small("a").replace("<os>", "<on_crash>restart</on_crash><os>"))
    with watching(conn.root) as events:
        kill(pid_of(tmp_path / "root", "a"))
        events.wait(lambda event: isinstance(event, Lifecycle) and event.event == STARTED)
    assert (domain.ID(), domain.isPersistent()) == (2, 0)
    domain.destroy()


def test_i09_a_storm_of_reboots_is_told_at_a_bounded_rate(
    fake: libvirt.virConnect, fake_qemu: FakeQemu
) -> None:
    """A hundred resets a second: two events a second, no stop, and the guest obeys meanwhile."""
    domain = fake.defineXML(small("a"))
    domain.create()
    with watching(fake.root) as events:
        began = time.monotonic()
        fake_qemu.now(emits("RESET", {"guest": True, "reason": "guest-reset"}, count=150, per_second=100))
        events.wait(lambda event: isinstance(event, Rebooted), count=3)
        assert time.monotonic() - began >= 2 * SAME
        domain.suspend()
        wait_until(lambda: '"paused"' in domain._call(Query(STATUS)))
        domain.destroy()
        told = events.wait(lambda event: isinstance(event, Lifecycle), count=2)
        assert [each.event for each in told if isinstance(each, Lifecycle)] == [3, 5]
        most = (time.monotonic() - began) / SAME + 1
        assert 3 <= len(events.fitting(lambda event: isinstance(event, Rebooted))) <= most


# The ladder.


def test_i06_a_guest_that_ignores_its_power_button_is_ended_rung_by_rung(
    conn: libvirt.virConnect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real QEMU: its firmware does not know ACPI, so it is told to quit when the patience is over."""
    domain = conn.defineXML(small("a"))
    domain.create()
    monkeypatch.setattr(stop, "QUIT", SECONDS)
    began = time.monotonic()
    assert domain.end(0.3) == "quit"
    assert time.monotonic() - began >= 0.3
    assert steps(conn, "end") == ["ACPI", "quit"]
    assert domain.state() == [SHUTOFF, DESTROYED]


LADDER = [
    ((), ["ACPI"], SECONDS),
    (("system_powerdown",), ["ACPI", "quit"], SECONDS),
    (("system_powerdown", "quit"), ["ACPI", "quit", "SIGTERM"], SECONDS),
    (("system_powerdown", "quit", "SIGTERM"), ["ACPI", "quit", "SIGTERM", "SIGKILL"], 0.3),
]


@pytest.mark.parametrize(("ignored", "rungs", "sigterm"), LADDER, indirect=["sigterm"])
def test_i06_each_rung_is_pressed_in_its_turn_and_has_its_time(
    fake: libvirt.virConnect,
    fake_qemu: FakeQemu,
    monkeypatch: pytest.MonkeyPatch,
    ignored: tuple[str, ...],
    rungs: list[str],
) -> None:
    """Until one works: that is the answer, and the operation has all of them with their times."""
    patience, quitting = (0.3 if step in ignored else SECONDS for step in ("system_powerdown", "quit"))
    monkeypatch.setattr(stop, "QUIT", quitting)
    domain = fake.defineXML(small("a"))
    domain.create()
    fake_qemu.on("system_powerdown", powers_off())
    for step in ignored:
        fake_qemu.on(step, ignores())
    assert domain.end(patience) == rungs[-1]
    end = next(each for each in fake.root.journal.values() if each.what == "end")
    times = [mark.at for mark in end.marks]
    assert (end.steps, end.state) == (rungs, "done")
    assert all(0.29 <= later - earlier < SECONDS / 2 for earlier, later in pairwise(times))
    reason = DESTROYED if ignored else libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN
    assert domain.state() == [SHUTOFF, reason]


def test_a_guest_that_is_paused_or_cannot_be_told_is_not_waited_for(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its power button, and without a monitor quit, would be pressed in vain."""
    monkeypatch.setattr(stop, "QUIT", SECONDS)
    domain = fake.defineXML(small("a"))
    domain.create()
    domain.suspend()
    assert domain.end(60) == "quit"
    domain.create()
    fake_qemu.on("query-name", closes_monitor())
    with pytest.raises(libvirt.libvirtError):
        domain._call(Query('{"execute": "query-name"}'))
    assert domain.end(60) == "SIGTERM"
    assert steps(fake, "end") == ["SIGTERM"]


def test_i08_a_qemu_that_cannot_be_killed_is_told_as_such(
    conn: libvirt.virConnect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of the budget its state is unknown and a start is refused, until it has ended."""
    monkeypatch.setattr(stop, "KILLED", 0.3)
    domain = conn.defineXML(small("a"))
    domain.create()
    pid = pid_of(tmp_path / "root", "a")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: stopped(pid))
    with faults.inject("process.signalled", faults.lose()) as lost:
        began = time.monotonic()
        with pytest.raises(libvirt.libvirtError, match="SIGKILL: Device or resource busy") as refused:
            domain.destroy()
        assert refused.value.get_int1() == 16
        assert 0.3 <= time.monotonic() - began < SECONDS / 2
        assert lost.hits == 1
    assert (domain.state(), domain.messages()) == ([0, 0], ["process: it does not end"])
    assert steps(conn, "destroy") == ["SIGKILL"]
    with pytest.raises(libvirt.libvirtError, match="already running"):
        domain.create()
    kill(pid)
    wait_until(lambda: domain.isActive() == 0)
    assert domain.state() == [SHUTOFF, DESTROYED]
    domain.create()
    domain.destroy()


@pytest.mark.parametrize("sigterm", [0.3], indirect=True)
@pytest.mark.parametrize("what", ["restart", "destroy"])
def test_a_power_off_does_what_the_domain_says(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, what: str
) -> None:
    """It boots again in the same QEMU, or ends; also after a destroy that was refused."""
    domain = fake.defineXML(small("a", more=f"<on_poweroff>{what}</on_poweroff>"))
    domain.create()
    fake_qemu.on("SIGTERM", ignores(), times=1)
    with pytest.raises(libvirt.libvirtError, match="Device or resource busy"):
        domain.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
    with watching(fake.root) as events:
        fake_qemu.now(powers_off())
        if what == "restart":
            events.wait(lambda event: isinstance(event, Rebooted))
            wait_until(lambda: [each for each in fake.root.journal.values() if each.what == "restart"] != [])
            wait_until(lambda: fake_qemu.commands("a")[-1] == "cont")
            assert domain.state() == [RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED]
            assert events.fitting(lambda event: isinstance(event, Lifecycle)) == []
            assert steps(fake, "restart") == ["reset"]
            domain.destroy()
        events.wait(lambda event: isinstance(event, Lifecycle) and event.event == 5)
    assert len(fake_qemu.log("spawn", "a")) == 1


# As fast as possible.


def test_i14_starts_and_stops_as_fast_as_possible_make_no_second_process(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, embervirt_root: Path
) -> None:
    """One thread starts, another ends: each QEMU is gone before the next, which has a place of its own."""
    domain = fake.defineXML(small("a"))
    chance, over = random.Random(14), threading.Event()

    def attempt(call: Any) -> bool:
        try:
            call()
        except libvirt.libvirtError as error:
            assert error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID, error
            return False
        return True

    def end() -> None:
        while not over.is_set():
            fake_qemu.on("exit", waits(chance.uniform(0, 0.05)))
            attempt(domain.destroy)

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(end)
        try:
            started = 0
            while started < CYCLES:
                started += attempt(domain.create)
        finally:
            over.set()
        ending.result(SECONDS)
    attempt(domain.destroy)
    spawned, exited = fake_qemu.log("spawn", "a"), fake_qemu.log("exit", "a")
    ends = {entry.pid: entry.at for entry in exited}
    assert len({entry.pid for entry in spawned}) == len(spawned) == CYCLES
    for before, after in pairwise(spawned):
        assert ends.get(before.pid, 0.0) < after.at
    places = {next(word for word in entry.argv if "masterKey0" in word) for entry in spawned}
    assert len(places) == CYCLES
    assert fake_qemu.running() == []
    assert nothing_is_left(fake, embervirt_root, before={"a.log"})
