"""Starts whose actor dies when the guest runs already: it is found again, and every end has a start."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.actors.messages import Event
from embervirt.drivers.driver import GUESTS
from embervirt.drivers.qemu.errors import LaunchFailed
from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.supervisor.identity import Identity, Process
from embervirt.testing import FakeQemu, answers, dies, refuses
from guest.calls import guests, nothing_is_left
from guest.domain import SECONDS, pid_of, small, uri, wait_until, watching

RUNNING = libvirt.VIR_DOMAIN_RUNNING
DEFINED, UNDEFINED, STARTED, STOPPED = 0, 1, 2, 5


@pytest.fixture
def conn(embervirt_root: Path, fake_qemu: FakeQemu) -> Iterator[libvirt.virConnect]:
    """Its guests live in the fake QEMU."""
    settings = {"qemu.emulator": str(fake_qemu.emulator), "supervision.guest_intensity": 2}
    with libvirt.open(uri(embervirt_root), settings=settings) as made:
        yield made


def is_life(event: Event) -> bool:
    """Of a guest, not of its definition."""
    return isinstance(event, Lifecycle) and event.event not in (DEFINED, UNDEFINED)


def is_end(event: Event) -> bool:
    """Of a guest."""
    return isinstance(event, Lifecycle) and event.event == STOPPED


def told(events: list[Event]) -> list[tuple[int, int]]:
    """Id and kind of each."""
    return [(event.id, event.event) for event in events if isinstance(event, Lifecycle)]


LAST_STEPS = [("event.published", {"kind": "*.Lifecycle"}), ("journal.result", {"state": "done"})]


@pytest.mark.parametrize(("point", "where"), LAST_STEPS, ids=["before its event", "before its result"])
def test_a_start_that_crashes_once_its_guest_runs_is_completed(
    conn: libvirt.virConnect, embervirt_root: Path, point: str, where: dict[str, str]
) -> None:
    """By the next generation: the caller gets its guest, which is looked after, told of before its end."""
    domain = conn.defineXML(small("a"))
    with watching(conn.root) as events:
        with faults.inject(point, faults.crash(), times=1, where=where) as crashed:
            domain.create()
        assert (crashed.hits, domain.state()[0]) == (1, RUNNING)
        wait_until(lambda: conn.root.journal.open() == [])
        [start] = conn.root.journal.values()
        domain.suspend()
        domain.destroy()
        events.wait(is_end)
        kinds = [kind for _, kind in told(events.fitting(is_life))]
    assert (start.what, start.state, kinds[0], kinds[-1]) == ("start", "done", STARTED, STOPPED)
    assert kinds.count(STARTED) == (1 if point == "event.published" else 2)
    assert nothing_is_left(conn, embervirt_root, before={"a.log"})


def test_a_guest_that_ends_before_anybody_was_told_of_its_start_has_both_events(
    conn: libvirt.virConnect, embervirt_root: Path, fake_qemu: FakeQemu
) -> None:
    """Its actor dies with the start's event in hand, and so does its QEMU."""
    fake_qemu.on("cont", answers(), dies(), times=1)
    domain = conn.defineXML(small("a"))
    where = {"kind": "*.Lifecycle"}
    with watching(conn.root) as events:
        with faults.inject("event.published", faults.crash(), times=1, where=where):
            domain.create()
        events.wait(is_end)
        assert told(events.fitting(is_life)) == [(1, STARTED), (1, STOPPED)]
    wait_until(lambda: conn.root.journal.open() == [])
    assert [each.state for each in conn.root.journal.values()] == ["done"]
    assert nothing_is_left(conn, embervirt_root, before={"a.log"})


def test_nobody_is_told_of_the_end_of_a_start_that_failed(
    conn: libvirt.virConnect, embervirt_root: Path, fake_qemu: FakeQemu
) -> None:
    """Its record stays, for undoing it crashed too; whoever finds that says nothing."""
    fake_qemu.on("cont", refuses("no"))
    domain = conn.defineXML(small("a"))
    record = embervirt_root / "run/qemu/a.json"
    with watching(conn.root) as events:
        where = {"path": str(record)}
        crashed = faults.inject("file.removed", faults.crash(), times=1, where=where)
        with crashed, pytest.raises(libvirt.libvirtError):
            domain.create()
        wait_until(lambda: conn.root.journal.open() == [])
        assert record.exists()
        conn.root.crash("drivers/qemu")
        wait_until(lambda: not record.exists())
        wait_until(lambda: guests(conn) == [])
        fake_qemu.clear()
        domain.create()
        domain.destroy()
        events.wait(is_end)
        assert told(events.fitting(is_life)) == [(2, STARTED), (2, STOPPED)]
    assert nothing_is_left(conn, embervirt_root, before={"a.log"})


def test_a_start_whose_actor_is_in_quarantine_stays_open_until_that_ends(
    conn: libvirt.virConnect, embervirt_root: Path
) -> None:
    """The guest runs and is shown; its caller hears of the quarantine, whose end completes the start."""
    domain = conn.defineXML(small("a"))
    where = {"kind": "*.Lifecycle"}
    with watching(conn.root) as events:
        crashes = faults.inject("event.published", faults.crash(), where=where)
        with crashes, pytest.raises(libvirt.libvirtError, match=r"at event\.published"):
            domain.create()
        pid = pid_of(embervirt_root, "a")
        conn.defineXML(small("b"))  # after whatever the driver makes of that
        assert (domain.state()[0], [each.what for each in conn.root.journal.open()]) == (RUNNING, ["start"])
        conn.root.supervisor.clear((*GUESTS, f"{domain.ID()}-a"))
        wait_until(lambda: conn.root.journal.open() == [])
        events.wait(is_life)
        assert (pid_of(embervirt_root, "a"), told(events.fitting(is_life))) == (pid, [(1, STARTED)])
        domain.destroy()
    assert conn.root.journal.values()[0].state == "done"


def test_a_qemu_that_dies_between_its_greeting_and_its_record_is_a_launch_that_failed(
    conn: libvirt.virConnect, embervirt_root: Path, fake_qemu: FakeQemu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is that of a QEMU which dies a moment earlier or later, and nothing is left."""
    attach = Process.attach

    def dead(identity: Identity) -> Process | None:
        process = attach(identity)
        assert process is not None and process.signal(signal.SIGKILL) and process.wait(SECONDS)
        return attach(identity)

    domain = conn.defineXML(small("a"))
    with monkeypatch.context() as patched:
        patched.setattr(Process, "attach", dead)
        with pytest.raises(LaunchFailed, match="QEMU of 'a' ended after its greeting"):
            domain.create()
    assert nothing_is_left(conn, embervirt_root, before={"a.log"})
    domain.create()
    domain.destroy()
