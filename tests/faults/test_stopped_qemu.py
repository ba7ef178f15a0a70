"""Twenty guests, one of whose QEMUs is stopped: it answers nobody, and that is nobody else's trouble."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.actor.guest import Guest
from embervirt.drivers.qemu.messages import Degraded, Lifecycle, Query, Recovered
from embervirt.errors import OutcomeUnknown
from embervirt.supervisor.identity import stopped as is_stopped
from embervirt.supervisor.report import ChildFailed, HealthChanged, Node
from embervirt.supervisor.watch import Limits
from guest.calls import guests
from guest.domain import SECONDS, kill, pid_of, qemus, small, uri, wait_until, watching

NAMES = [f"guest{number:02}" for number in range(20)]
VICTIM, OTHERS = NAMES[0], NAMES[1:]
STATUS = '{"execute": "query-status"}'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Whatever runs in the end is killed."""
    folder = tmp_path_factory.mktemp("twenty")
    yield folder
    for pid in qemus(folder):
        kill(pid)


@pytest.fixture(scope="module")
def twenty(root: Path) -> Iterator[libvirt.virConnect]:
    """All run."""
    with libvirt.open(uri(root)) as conn, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: conn.defineXML(small(name)).create(), NAMES))
        yield conn


@pytest.fixture
def stopped(twenty: libvirt.virConnect, root: Path) -> Iterator[libvirt.virDomain]:
    """One that runs, its QEMU under SIGSTOP; afterwards it goes on, or is started again."""
    domain = twenty.lookupByName(VICTIM)
    if not domain.isActive():
        domain.create()
    os.kill(pid_of(root, VICTIM), signal.SIGSTOP)
    wait_until(lambda: is_stopped(pid_of(root, VICTIM)))
    yield domain
    if domain.isActive():
        os.kill(pid_of(root, VICTIM), signal.SIGCONT)
        wait_until(lambda: domain.messages() == [])


def took(call: Any, *arguments: Any) -> float:
    """Seconds."""
    began = time.monotonic()
    call(*arguments)
    return time.monotonic() - began


def ask(domain: libvirt.virDomain, command: str = STATUS) -> Future[str]:
    """A command for its QEMU, on a thread of its own."""
    asked: Future[str] = Future()

    def run() -> None:
        try:
            asked.set_result(domain._call(Query(command)))
        except libvirt.libvirtError as error:
            asked.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return asked


def calls(conn: libvirt.virConnect) -> list[float]:
    """A change, a question and its reverse, of each guest that is well: how long each took."""
    found = []
    for name in OTHERS:
        domain = conn.lookupByName(name)
        found += [took(call) for call in (domain.suspend, ask(domain).result, domain.resume)]
    return found


def test_g01_one_stopped_qemu_is_flagged_and_delays_nobody(
    twenty: libvirt.virConnect, stopped: libvirt.virDomain
) -> None:
    """List and numbers of all within 1 s, no call about another guest 100 ms later; it heals by itself."""
    usual = max(calls(twenty))
    with watching(twenty.root) as events:
        waits = ask(stopped)
        events.wait(lambda event: isinstance(event, Degraded) and event.name == VICTIM)

        def look() -> None:
            assert len(twenty.listAllDomains()) == len(NAMES)
            for domain in twenty.listAllDomains():
                assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
                assert domain.info() and domain.XMLDesc()
            numbers = {domain.name(): told for domain, told in twenty.getAllDomainStats()}
            assert [name for name in NAMES if "vcpu.0.time" not in numbers[name]] == [VICTIM]
            assert {"state.state", "cpu.time", "balloon.rss"} <= numbers[VICTIM].keys()

        assert min(took(look) for _ in range(5)) < 1.0  # of a machine that others use too
        wait_until(lambda: max(calls(twenty)) < usual + 0.1)  # who is delayed by the one is so each time
        flagged = {each.name(): each.messages() for each in twenty.listAllDomains() if each.messages()}
        assert list(flagged) == [VICTIM]
        assert flagged[VICTIM][0].startswith("monitor: no answer to ")
        assert stopped.controlInfo()[:2] == [3, 2]
        os.kill(pid_of(twenty.root.paths.path, VICTIM), signal.SIGCONT)
        assert '"running"' in waits.result(SECONDS)
        events.wait(lambda event: isinstance(event, Recovered) and event.name == VICTIM)
        assert stopped.messages() == [] and stopped.controlInfo()[0] == 0
        assert "vcpu.0.time" in twenty.domainListGetStats([stopped])[0][1]
        assert events.fitting(lambda event: isinstance(event, Lifecycle | ChildFailed) and is_of(event)) == []


def is_of(event: Any) -> bool:
    """Whether it is about the guest that was stopped."""
    return getattr(event, "name", "") == VICTIM or VICTIM in getattr(event, "child", "")


@pytest.mark.parametrize("call", ["destroy", "end"])
def test_g02_i07_a_stopped_qemu_is_ended_without_its_monitor(
    twenty: libvirt.virConnect, stopped: libvirt.virDomain, call: str
) -> None:
    """Within 2 s, although a change waits for its answer; the operation names the rung, SIGKILL."""
    before = {each.id for each in twenty.root.journal.values()}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stopped.suspend)
        wait_until(lambda: bool({each.id for each in twenty.root.journal.open()}))
        assert took(getattr(stopped, call)) < 2.0
        assert isinstance(waiting.exception(SECONDS), libvirt.libvirtError)
    made = {each.what: each for each in twenty.root.journal.values() if each.id not in before}
    assert (made[call].steps, made[call].state) == (["SIGKILL"], "done")
    assert twenty.root.operation(made[call].id).steps == ["SIGKILL"]
    assert (made["suspend"].state, twenty.root.journal.open()) == ("undone", [])
    assert stopped.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED]


def test_a_graceful_destroy_leaves_a_stopped_qemu(stopped: libvirt.virDomain) -> None:
    """It is refused at once, and is no reason to take its later end for a destruction."""
    with pytest.raises(libvirt.libvirtError, match="Device or resource busy"):
        stopped.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
    assert stopped.isActive() == 1


def test_g07_a_paused_guest_is_left_alone(twenty: libvirt.virConnect) -> None:
    """For ten looks of the watchdog: no event, no degradation, the same actor."""
    domain = twenty.lookupByName(OTHERS[0])
    domain.suspend()
    with watching(twenty.root) as events:
        threading.Event().wait(10 * Limits().every)
        domain.resume()
        seen = events.wait(lambda event: isinstance(event, Lifecycle))
        assert [event.name for event in seen if isinstance(event, Lifecycle)] == [OTHERS[0]]
        assert len(events.seen) == 1
    assert domain.messages() == []


LIMIT, GRACE, USABLE = 1.5, 0.5, 2.0
"""Seconds: what an operation may take here, and how long after that its guest is usable."""


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], threading.Event]]:
    """Each call: the next question to a guest holds its actor's thread, until the event or the end."""
    gates: list[threading.Event] = []
    waiting: SimpleQueue[threading.Event] = SimpleQueue()
    real = Guest.query

    def query(self: Guest, request: Query) -> Any:
        try:
            gate = waiting.get_nowait()
        except Empty:
            return real(self, request)
        gate.wait(SECONDS)
        return "too late"

    def arm() -> threading.Event:
        gates.append(threading.Event())
        waiting.put(gates[-1])
        return gates[-1]

    monkeypatch.setattr(Guest, "query", query)
    yield arm
    for gate in gates:
        gate.set()


def test_g03_a_zombie_that_holds_the_monitor_is_cut_off(
    root: Path, hang: Callable[[], threading.Event]
) -> None:
    """Its socket is shut from outside, its successor gets the greeting, the guest is usable 2 s later."""
    settings = {"supervision.operation_limit": LIMIT, "supervision.operation_grace": GRACE}
    with libvirt.open(uri(root / "other"), settings=settings) as conn:
        domain = conn.defineXML(small("held"))
        domain.create()
        pid = pid_of(root / "other", "held")

        def usable() -> float:
            """Seconds from a hang to a change that is done, while the thread that hangs is still there."""
            release, began = hang(), time.monotonic()
            asked = ask(domain)
            assert isinstance(asked.exception(SECONDS), OutcomeUnknown)
            domain.suspend()
            spent = time.monotonic() - began
            assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
            assert '"paused"' in ask(domain).result(SECONDS)
            [guest] = guests_of(conn)
            assert [zombie.generation for zombie in guest.zombies] == [guest.generation - 1]
            release.set()
            wait_until(lambda: [each.zombies for each in guests_of(conn)] == [[]])
            domain.resume()
            return spent

        assert any(usable() <= LIMIT + USABLE for _ in range(3))  # of a machine that others use too
        assert (pid_of(root / "other", "held"), domain.messages()) == (pid, [])
        domain.destroy()
        wait_until(lambda: guests(conn) == [])


def test_g06_guests_live_through_more_zombies_than_the_limit(
    root: Path, hang: Callable[[], threading.Event]
) -> None:
    """Four actors block where nothing wakes them: only the fourth makes the root ask for a restart."""
    limits = {"operation_limit": 0.5, "operation_grace": 0.2, "zombie_limit": 3}
    settings = {f"supervision.{name}": value for name, value in limits.items()}
    with libvirt.open(uri(root / "four"), settings=settings) as conn:
        domains = [conn.defineXML(small(f"held{n}")) for n in range(4)]
        for domain in domains:
            domain.create()
        pids = [pid_of(root / "four", domain.name()) for domain in domains]
        gates = [hang() for _ in domains]
        with watching(conn.root) as events:
            for domain in domains:
                given_up = time.monotonic()
                wait_until(lambda past=given_up: conn.root.supervisor.looked > past + 2 * Limits().every)  # type: ignore[misc]
                assert events.fitting(lambda event: isinstance(event, HealthChanged)) == []
                assert isinstance(ask(domain).exception(SECONDS), OutcomeUnknown)
            [told] = events.wait(lambda event: isinstance(event, HealthChanged))
            assert isinstance(told, HealthChanged)
            assert told.reasons[0].startswith("restart_required: more than 3 threads were given up")
            health = conn.root.health()
            assert health.degraded == list(told.reasons)
            assert len(health.zombies) == 4
            stacks = [zombie.stack for each in health.zombies.values() for zombie in each]
            assert all("gate.wait(SECONDS)" in stack for stack in stacks)
            for domain in domains:
                domain.suspend()
                assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
            assert (
                [pid_of(root / "four", domain.name()) for domain in domains] == pids == qemus(root / "four")
            )
            for gate in gates:
                gate.set()
            events.wait(lambda event: isinstance(event, HealthChanged) and not event.reasons)
        assert conn.root.health().degraded == []
        for domain in domains:
            domain.destroy()


def guests_of(conn: libvirt.virConnect) -> list[Node]:
    """The actors of guests."""
    return next(list(group.children) for group in conn.root.tree().children if group.id == "guests")
