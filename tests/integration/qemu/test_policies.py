"""What becomes of a guest that panics, powers off, sleeps, and what is told: as libvirt 9 does it.

The sequences of events and states were read off libvirt 9 with QEMU 7.2, whose guest was made to do the same
by writes to its ports (``o /b 0x505 1`` panics, ``o /w 0x604 0x2000`` powers off, 0x2400 there sleeps).
"""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Lifecycle, Rebooted
from embervirt.testing import FakeQemu, disk_fails, emits, guest_panics, guest_shuts_down, returns
from guest.calls import code_of
from guest.domain import SECONDS, Events, kill, pid_of, small, uri, wait_until, watching
from guest.qmp import Client

RUNNING, PAUSED, SHUTOFF = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_SHUTOFF
CRASHED, PMSUSPENDED = libvirt.VIR_DOMAIN_CRASHED, libvirt.VIR_DOMAIN_PMSUSPENDED
SUSPENDED, RESUMED, STOPPED = (3, 0), (4, 0), 5
PANICKED, PANIC_END = (8, 0), (5, 2)
DONE = {"result": {"total": 1, "status": "completed", "completed": 1}}


@pytest.fixture
def fake(embervirt_root: Path, fake_qemu: FakeQemu) -> Iterator[libvirt.virConnect]:
    """A connection whose guests live in the fake QEMU."""
    with libvirt.open(uri(embervirt_root), settings={"qemu.emulator": str(fake_qemu.emulator)}) as made:
        yield made


def run(conn: libvirt.virConnect, more: str = "", devices: str = "") -> libvirt.virDomain:
    """A persistent guest that runs."""
    domain = conn.defineXML(small("a", more=more, devices=devices))
    domain.create()
    return domain


def life(events: Events, count: int) -> list[tuple[int, int]]:
    """The first ``count`` lifecycle events."""
    told = events.wait(lambda event: isinstance(event, Lifecycle), count=count)
    return [(each.event, each.detail) for each in told if isinstance(each, Lifecycle)]


# Panic.


def test_a_panic_ends_the_guest_as_crashed(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """``on_crash`` destroy: paused, crashed, stopped for that reason."""
    domain = run(fake, "<on_crash>destroy</on_crash>")
    with watching(fake.root) as events:
        fake_qemu.now(guest_panics())
        assert life(events, 3) == [SUSPENDED, PANICKED, PANIC_END]
    assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]


def test_a_panic_boots_the_guest_again(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """``on_crash`` restart: in the same QEMU, whose reason to run is the crash."""
    domain = run(fake, "<on_crash>restart</on_crash>")
    with watching(fake.root) as events:
        fake_qemu.now(guest_panics())
        assert life(events, 3) == [SUSPENDED, PANICKED, RESUMED]
        events.wait(lambda event: isinstance(event, Rebooted))
    assert domain.state() == [RUNNING, libvirt.VIR_DOMAIN_RUNNING_CRASHED]
    assert fake_qemu.commands("a")[-2:] == ["system_reset", "cont"]
    domain.destroy()


def test_a_panic_leaves_the_guest_to_be_looked_at(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """``on_crash`` preserve: crashed until somebody lets it go on."""
    domain = run(fake, "<on_crash>preserve</on_crash>")
    with watching(fake.root) as events:
        fake_qemu.now(guest_panics())
        assert life(events, 2) == [SUSPENDED, PANICKED]
        assert domain.state() == [CRASHED, libvirt.VIR_DOMAIN_CRASHED_PANICKED]
        assert code_of(domain.shutdown) == libvirt.VIR_ERR_OPERATION_INVALID
        domain.resume()
        assert domain.state() == [RUNNING, libvirt.VIR_DOMAIN_RUNNING_UNPAUSED]
        assert life(events, 3)[2] == RESUMED
    domain.destroy()


@pytest.mark.parametrize(("then", "last"), [("destroy", PANIC_END), ("restart", RESUMED)])
def test_a_panic_leaves_an_image_of_the_memory(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, embervirt_root: Path, then: str, last: tuple[int, int]
) -> None:
    """``on_crash`` coredump-...: QEMU writes it through a descriptor, then comes the rest."""
    fake_qemu.on("getfd", returns({}))
    fake_qemu.on("dump-guest-memory", returns({}), emits("DUMP_COMPLETED", DONE))
    domain = run(fake, f"<on_crash>coredump-{then}</on_crash>")
    with watching(fake.root) as events:
        fake_qemu.now(guest_panics())
        assert life(events, 3) == [SUSPENDED, PANICKED, last]
    [dump] = (embervirt_root / "lib/qemu/dump").iterdir()
    assert dump.name.startswith("1-a-20") and dump.stat().st_mode & 0o777 == 0o600
    asked = next(each for each in fake_qemu.log("command", "a") if each.name == "dump-guest-memory")
    assert asked.arguments == {"paging": False, "protocol": "fd:dump", "detach": True}
    if then == "restart":
        assert domain.state() == [RUNNING, libvirt.VIR_DOMAIN_RUNNING_CRASHED]
        domain.destroy()


def test_a_dump_that_fails_is_shown_and_the_policy_goes_on(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, embervirt_root: Path
) -> None:
    """QEMU refuses it here; no image that is none is left."""
    domain = run(fake, "<on_crash>coredump-restart</on_crash>")
    with watching(fake.root) as events:
        fake_qemu.now(guest_panics())
        assert life(events, 3) == [SUSPENDED, PANICKED, RESUMED]
    assert domain.messages()[0].startswith("on_crash: unable to execute QEMU command 'getfd'")
    assert list((embervirt_root / "lib/qemu/dump").iterdir()) == []
    domain.destroy()


def test_a_killed_qemu_is_no_panic(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, embervirt_root: Path
) -> None:
    """There is nothing to preserve: the domain is off, crashed, and is not started again."""
    domain = run(fake, "<on_crash>preserve</on_crash>")
    with watching(fake.root) as events:
        kill(pid_of(embervirt_root, "a"))
        assert life(events, 1) == [(STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED)]
    assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]
    assert len(fake_qemu.log("spawn", "a")) == 1


# Reboot.


def test_a_reboot_by_button_is_a_power_off_that_nobody_hears_of(
    fake: libvirt.virConnect, fake_qemu: FakeQemu
) -> None:
    """Only the reboot is told, and the state stays; the next power-off is one again."""
    domain = run(fake)
    with watching(fake.root) as events:
        domain.reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)
        fake_qemu.now(guest_shuts_down())
        events.wait(lambda event: isinstance(event, Rebooted))
        wait_until(lambda: [each.state for each in fake.root.journal.values()][-1] == "done")
        assert domain.state() == [RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED]
        assert fake_qemu.commands("a")[-3:] == ["system_powerdown", "system_reset", "cont"]
        fake_qemu.now(guest_shuts_down())
        assert life(events, 2) == [(6, libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_GUEST), (STOPPED, 0)]
    assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN]


def test_a_shutdown_takes_back_a_reboot(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """The last of the two is what the power-off is for."""
    domain = run(fake)
    with watching(fake.root) as events:
        domain.reboot()
        domain.shutdown()
        fake_qemu.now(guest_shuts_down())
        assert life(events, 2) == [(6, libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_GUEST), (STOPPED, 0)]
    assert domain.isActive() == 0


def test_a_reboot_that_the_domain_forbids_is_its_end(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """``on_reboot`` destroy: QEMU is told to make a power-off of a reset, and a reboot is a shutdown."""
    fake_qemu.on("set-action", returns({}))
    domain = run(fake, "<on_reboot>destroy</on_reboot>")
    told = next(each for each in fake_qemu.log("command", "a") if each.name == "set-action")
    assert told.arguments == {"reboot": "shutdown"}
    with watching(fake.root) as events:
        domain.reboot()
        fake_qemu.now(guest_shuts_down())
        assert life(events, 2) == [(6, libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_GUEST), (STOPPED, 0)]


def test_a_guest_that_is_paused_can_be_reset(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """It stays paused; the reboot is told."""
    domain = run(fake)
    domain.suspend()
    with watching(fake.root) as events:
        domain.reset()
        events.wait(lambda event: isinstance(event, Rebooted))
    assert domain.state() == [PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER]
    assert code_of(domain.shutdown) == libvirt.VIR_ERR_OPERATION_INVALID
    domain.destroy()


def test_a_reboot_that_its_process_did_not_live_to_see_is_done_by_the_next(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, embervirt_root: Path
) -> None:
    """That it was asked for is on disk: the guest that is found powered off is reset, not ended."""
    domain = run(fake)
    domain.reboot()
    wait_until(lambda: b'"reboots":true' in (embervirt_root / "run/qemu/a.json").read_bytes())
    fake.close()
    fake_qemu.now(guest_shuts_down())
    client = Client(embervirt_root / "lib/qemu/domain-1-a/monitor.sock").negotiate()
    wait_until(lambda: client.value("query-status")["status"] == "shutdown")
    client.close()
    settings = {"qemu.emulator": str(fake_qemu.emulator)}
    with libvirt.open(uri(embervirt_root), settings=settings) as again:
        found = again.lookupByName("a")
        changes = again.root.journal
        wait_until(lambda: [(each.what, each.state) for each in changes.values()][-1] == ("restart", "done"))
        assert fake_qemu.commands("a")[-2:] == ["system_reset", "cont"]
        assert (found.state()[0], len(fake_qemu.log("spawn", "a"))) == (RUNNING, 1)
        found.destroy()


# Pauses that nobody asked for.


def test_a_watchdog_pauses_the_guest(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """With its own reason, in the state and in the event."""
    domain = run(fake)
    with watching(fake.root) as events:
        fake_qemu.now(emits("WATCHDOG", {"action": "pause"}), emits("STOP"))
        assert life(events, 1) == [(3, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG)]
    assert domain.state() == [PAUSED, libvirt.VIR_DOMAIN_PAUSED_WATCHDOG]
    domain.destroy()


def test_a_watchdog_that_dumps_lets_the_guest_go_on(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, embervirt_root: Path
) -> None:
    """Its action ``dump`` is a pause for QEMU; the image is whole before the guest runs again."""
    fake_qemu.on("getfd", returns({}))
    fake_qemu.on("dump-guest-memory", returns({}), emits("DUMP_COMPLETED", DONE))
    domain = run(fake, devices="<watchdog model='i6300esb' action='dump'/>")
    with watching(fake.root) as events:
        fake_qemu.now(emits("WATCHDOG", {"action": "pause"}))
        assert life(events, 2) == [(3, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG), RESUMED]
    assert fake_qemu.commands("a")[-3:] == ["getfd", "dump-guest-memory", "cont"]
    assert len(list((embervirt_root / "lib/qemu/dump").iterdir())) == 1
    assert domain.state() == [RUNNING, libvirt.VIR_DOMAIN_RUNNING_UNPAUSED]
    domain.destroy()


def test_an_error_of_a_disk_pauses_the_guest(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """The same."""
    domain = run(fake)
    with watching(fake.root) as events:
        fake_qemu.now(disk_fails())
        assert life(events, 1) == [(3, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)]
    assert domain.state() == [PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR]
    domain.destroy()


def test_a_guest_that_sleeps_is_woken(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """It can be neither suspended nor resumed meanwhile, in libvirt's words."""
    fake_qemu.on("system_wakeup", returns({}), emits("WAKEUP"))
    domain = run(fake)
    with watching(fake.root) as events:
        fake_qemu.now(emits("SUSPEND"))
        assert life(events, 1) == [(7, libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED_MEMORY)]
        assert domain.state() == [PMSUSPENDED, 0]
        for call in (domain.suspend, domain.resume):
            with pytest.raises(libvirt.libvirtError, match="domain is pmsuspended"):
                call()
        domain.pMWakeup()
        assert life(events, 2)[1] == (2, libvirt.VIR_DOMAIN_EVENT_STARTED_WAKEUP)
    assert domain.state() == [RUNNING, libvirt.VIR_DOMAIN_RUNNING_WAKEUP]
    domain.destroy()


@pytest.mark.parametrize(
    ("clock", "expected"), [("offset='utc'", 7), ("offset='variable' adjustment='-100' basis='utc'", -93)]
)
def test_a_clock_that_the_guest_sets_is_told_from_utc(
    fake: libvirt.virConnect, fake_qemu: FakeQemu, clock: str, expected: int
) -> None:
    """A clock that has an adjustment has another one now."""
    domain = run(fake, f"<clock {clock}/>")
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    fake.domainEventRegisterAny(domain, 2, lambda conn, dom, offset, opaque: told.put(offset), None)
    fake_qemu.now(emits("RTC_CHANGE", {"offset": 7, "qom-path": "/machine/rtc"}))
    assert told.get(timeout=SECONDS) == expected
    assert ("adjustment='-93'" in domain.XMLDesc()) == (expected == -93)
    domain.destroy()


def test_a_balloon_that_moved_is_seen(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """In the event, in ``info`` and in the live XML; not in what the next start begins with."""
    domain = run(fake)
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    fake.domainEventRegisterAny(domain, 13, lambda conn, dom, actual, opaque: told.put(actual), None)
    fake_qemu.now(emits("BALLOON_CHANGE", {"actual": 20 * 2**20}))
    assert told.get(timeout=SECONDS) == 20 * 1024
    wait_until(lambda: domain.info()[2] == 20 * 1024)
    assert ">20480</currentMemory>" in domain.XMLDesc()
    assert ">20480<" not in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    domain.destroy()


def test_a_death_by_signal_is_told_as_before(fake: libvirt.virConnect, fake_qemu: FakeQemu) -> None:
    """Of a guest that had crashed and was preserved: it is the process that ended now."""
    domain = run(fake, "<on_crash>preserve</on_crash>")
    with watching(fake.root) as events:
        fake_qemu.now(guest_panics())
        life(events, 2)
        for entry in fake_qemu.running("a"):
            os.kill(entry.pid, signal.SIGKILL)
        assert life(events, 3)[2] == (STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED)
    assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]
