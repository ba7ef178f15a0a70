"""Twenty guests, one of whose QEMUs is stopped: it answers nobody, and that is nobody else's trouble."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.actor.guest import Guest
from embervirt.drivers.qemu.messages import Degraded, Lifecycle, Query, Recovered
from embervirt.supervisor.identity import stopped as is_stopped
from embervirt.supervisor.report import ChildFailed, Node
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
    """List and states of all within 1 s, no call about another guest 100 ms later; it heals by itself."""
    usual = max(calls(twenty))
    with watching(twenty.root) as events:
        waits = ask(stopped)
        events.wait(lambda event: isinstance(event, Degraded) and event.name == VICTIM)

        def look() -> None:
            assert len(twenty.listAllDomains()) == len(NAMES)
            for domain in twenty.listAllDomains():
                assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
                assert domain.info() and domain.XMLDesc()

        assert min(took(look) for _ in range(5)) < 1.0  # of a machine that others use too
        wait_until(lambda: max(calls(twenty)) < usual + 0.1)  # who is delayed by the one is so each time
        flagged = {each.name(): each.messages() for each in twenty.listAllDomains() if each.messages()}
        assert list(flagged) == [VICTIM]
        assert flagged[VICTIM][0].startswith("monitor: no answer to query-")
        assert stopped.controlInfo()[:2] == [3, 2]
        os.kill(pid_of(twenty.root.paths.path, VICTIM), signal.SIGCONT)
        assert '"running"' in waits.result(SECONDS)
        events.wait(lambda event: isinstance(event, Recovered) and event.name == VICTIM)
        assert stopped.messages() == [] and stopped.controlInfo()[0] == 0
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


def test_g03_a_zombie_that_holds_the_monitor_is_cut_off(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket is shut from outside, its successor gets the greeting, the guest is usable in time."""
    release, blocked = threading.Event(), threading.Event()

    def hang(self: Guest, request: Query) -> str:
        blocked.set()
        release.wait(SECONDS)
        return "too late"

    settings = {"supervision.operation_limit": 1.5, "supervision.operation_grace": 0.5}
    with libvirt.open(uri(root / "other"), settings=settings) as conn:
        domain = conn.defineXML(small("held"))
        domain.create()
        pid = pid_of(root / "other", "held")
        monkeypatch.setattr(Guest, "query", hang)
        began = time.monotonic()
        asked = ask(domain)
        try:
            assert blocked.wait(SECONDS)
            assert isinstance(asked.exception(SECONDS), libvirt.libvirtError)
            domain.suspend()
            assert time.monotonic() - began < SECONDS / 2  # and not when the zombie lets go
            assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
            [guest] = guests_of(conn)
            assert (guest.generation, [zombie.generation for zombie in guest.zombies]) == (2, [1])
        finally:
            release.set()
        wait_until(lambda: [each.zombies for each in guests_of(conn)] == [[]])
        assert (pid_of(root / "other", "held"), domain.messages()) == (pid, [])
        domain.destroy()
        wait_until(lambda: guests(conn) == [])


def guests_of(conn: libvirt.virConnect) -> list[Node]:
    """The actors of guests."""
    return next(list(group.children) for group in conn.root.tree().children if group.id == "guests")
