"""What goes on after the end of its actor's generation: nothing of it harms what its successor serves."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.actors.messages import Event
from embervirt.drivers.qemu import firmware
from embervirt.drivers.qemu.actor.guest import Guest
from embervirt.drivers.qemu.messages import Lifecycle, Query
from embervirt.drivers.qemu.service.domains import Domains
from embervirt.errors import OutcomeUnknown
from guest.calls import began, threads
from guest.domain import crash, give_up, kill, opened, pid_of, qemus, small, uri, wait_until, watching

EFI = """
    <domain type='qemu'><name>a</name><memory unit='MiB'>64</memory>
      <os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os>
      <features><acpi/></features></domain>"""
RUNNING = libvirt.VIR_DOMAIN_RUNNING
STARTED, SUSPENDED, STOPPED = 2, 3, 5
"""virDomainEventType."""


@contextmanager
def replaced(root: Path, point: str, **where: str) -> Iterator[tuple[libvirt.virConnect, libvirt.virDomain]]:
    """A start is given up at that point, with all guests, and replaced; it goes on after the ``with``."""
    settings = {"supervision.shutdown_timeout": 0.2, "supervision.backoff_initial": 0.01}
    with libvirt.open(uri(root), settings=settings) as conn:
        domain = conn.defineXML(small("a"))
        with faults.inject(point, faults.hang(), times=1, where=where) as hung:
            starting = began(domain.create)
            hung.wait()
            conn.root.crash("processes")
            wait_until(lambda: generation(conn) == 2)
            yield conn, domain
            hung.release()
        wait_until(lambda: threads("guest/1") <= 1)
        assert isinstance(starting.exception(30), libvirt.libvirtError)


def generation(conn: libvirt.virConnect) -> int:
    """Of the guest's actor that is up."""
    found = next(group.children for group in conn.root.tree().children if group.id == "guests")
    return max((each.generation for each in found if each.state == "up"), default=0)


@pytest.mark.parametrize("step", ["recorded", "cont"])
def test_a_guest_that_a_successor_has_found_is_not_ended_by_the_start_that_was_given_up(
    tmp_path: Path, step: str
) -> None:
    """It is on record, so it is looked after: the thread that started it lets go."""
    root = tmp_path / "root"
    where = {"step": step} if step == "recorded" else {"command": step}
    try:
        with replaced(root, "journal.mark" if step == "recorded" else "qmp.sent", **where) as (conn, domain):
            wait_until(lambda: domain.isActive() == 1)
            pid = pid_of(root, "a")
        assert qemus(root) == [pid]
        with libvirt.open(uri(root)) as conn:
            domain = conn.lookupByName("a")
            wait_until(lambda: (domain.state()[0], domain.messages()) == (RUNNING, []))
            domain.destroy()
    finally:
        for left in qemus(root):
            kill(left)


POINTS = {"command": ("qmp.sent", {"command": "stop"}), "reply": ("reply.sent", {"operation": "Suspend"})}


@contextmanager
def held(what: str) -> Iterator[Callable[[], object]]:
    """A suspend stops before that of its effects, until the end of the ``with``; waits until it has."""
    if what in POINTS:
        point, where = POINTS[what]
        with faults.inject(point, faults.hang(), times=1, where=where) as hung:
            yield hung.wait
        return
    reached, gate, real = threading.Event(), threading.Event(), Guest.publish

    def publish(guest: Guest, event: Event) -> None:
        """Before the check of its generation, that is: within, its successor would wait for it."""
        if isinstance(event, Lifecycle) and not reached.is_set():
            reached.set()
            gate.wait(30)
        real(guest, event)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Guest, "publish", publish)
        yield lambda: reached.wait(30)
        gate.set()


@pytest.mark.parametrize("what", ["command", "event", "reply"])
def test_g05_what_a_guests_zombie_sends_late_reaches_nobody(tmp_path: Path, what: str) -> None:
    """Blocked before its command, its event or its reply; the caller heard that nobody knows, and once."""
    with opened(tmp_path / "root") as conn, watching(conn.root) as events:
        domain = conn.createXML(small("a"))
        with held(what) as wait:
            suspended = began(domain.suspend)
            wait()
            (late,) = (each for each in threading.enumerate() if each.name == "embervirt-guest/1")
            give_up(conn.root, "guests/1-a")
            unknown = suspended.exception(30)
            assert isinstance(unknown, OutcomeUnknown)
            wait_until(lambda: generation(conn) == 2 and conn.root.journal.open() == [])
        late.join(30)
        assert not late.is_alive()
        happened = what != "command"
        assert (domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED) is happened
        assert ('"paused"' in domain._call(Query('{"execute": "query-status"}'))) is happened
        assert conn.root.operation(str(unknown.operation)).state == ("done" if happened else "undone")
        domain.destroy()
        events.wait(lambda event: isinstance(event, Lifecycle) and event.event == STOPPED)
        told = [each.event for each in events.fitting(lambda _: True) if isinstance(each, Lifecycle)]
        assert told == [STARTED, *([SUSPENDED] if what == "reply" else []), STOPPED]


def test_a_start_that_was_given_up_for_good_ends_its_guest(tmp_path: Path) -> None:
    """Nobody comes after it: its caller knows that it failed, and the domain can be started again."""
    root = tmp_path / "root"
    with opened(root) as conn:
        domain = conn.defineXML(small("a"))
        with faults.inject("journal.mark", faults.hang(), times=1, where={"step": "recorded"}) as hung:
            starting = began(domain.create)
            hung.wait()
            give_up(conn.root, "guests/1-a")
            assert isinstance(starting.exception(30), libvirt.libvirtError)
            assert (len(qemus(root)), domain.isActive()) == (1, 0)
            hung.release()
            wait_until(lambda: threads("guest/1") == 0)
        assert qemus(root) == []
        domain.create()
        assert (qemus(root), domain.ID()) == ([pid_of(root, "a")], 2)
        domain.destroy()


@pytest.mark.parametrize("crashes", [1, 2])
def test_what_became_of_a_start_is_known_when_the_driver_died_meanwhile(tmp_path: Path, crashes: int) -> None:
    """Its successor was there when the start failed, or came later: the operation does not stay open."""
    root = tmp_path / "root"
    with libvirt.open(uri(root), settings={"supervision.backoff_initial": 2.0}) as conn:
        domain = conn.defineXML(small("a"))
        with faults.inject("journal.mark", faults.hang(), times=1, where={"step": "spawned"}) as hung:
            starting = began(domain.create)
            hung.wait()
            for number in range(crashes):  # the first restart is at once, the second is not
                conn.defineXML(small(f"b{number}"))
                crash(conn.root, "drivers/qemu")
            assert isinstance(starting.exception(30), libvirt.libvirtError)
            give_up(conn.root, "guests/1-a")
            start = next(each for each in conn.root.journal.values() if each.what == "start")
            wait_until(lambda: conn.root.operation(start.id).state == "failed")
            hung.release()
            wait_until(lambda: threads("guest/1") == 0)
        domain.create()
        domain.destroy()


@contextmanager
def started_again(
    conn: libvirt.virConnect, xml: str, point: str, path: Path, flags: int = 0
) -> Iterator[libvirt.virDomain]:
    """A start is given up at that point of a file, and another made; the first goes on after the ``with``."""
    domain = conn.defineXML(xml)
    with faults.inject(point, faults.hang(), times=1, where={"path": str(path)}) as hung:
        starting = began(lambda: domain.createWithFlags(flags))
        hung.wait()
        give_up(conn.root, "guests/1-a")
        assert isinstance(starting.exception(30), libvirt.libvirtError)
        domain.create()
        yield domain
        hung.release()
        wait_until(lambda: threads("guest/1") == 0)


@pytest.mark.skipif(not firmware.known(), reason="no firmware descriptors: install ovmf")
def test_variables_of_firmware_are_not_made_anew_by_a_start_that_was_given_up(tmp_path: Path) -> None:
    """They are those of the guest that runs."""
    root, reset = tmp_path / "root", libvirt.VIR_DOMAIN_START_RESET_NVRAM
    file = root / "lib/qemu/nvram/a_VARS.fd"
    with opened(root) as conn:
        with started_again(conn, EFI, "file.synced", file, reset) as domain, file.open("r+b") as variables:
            variables.write(b"mine")
        assert file.read_bytes()[:4] == b"mine"
        domain.destroy()


@pytest.mark.skipif(shutil.which("swtpm") is None, reason="swtpm is not installed")
def test_what_a_tpm_remembers_is_not_forgotten_by_an_end_that_was_given_up(tmp_path: Path) -> None:
    """A transient guest's goes with it; it may run again by the time that goes on."""
    root, uuid = tmp_path / "root", "11111111-2222-3333-4444-555555555555"
    xml = small("a", uuid=uuid, devices="<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>")
    where = {"path": str(root / "run/swtpm/1-a-swtpm.sock")}
    with opened(root) as conn:
        domain = conn.createXML(xml)
        state = root / "lib/swtpm" / uuid / "tpm2/tpm2-00.permall"
        with faults.inject("file.removed", faults.hang(), times=1, where=where) as hung:
            ended = began(domain.destroy)
            hung.wait()
            give_up(conn.root, "guests/1-a")
            ended.exception(30)
            wait_until(lambda: conn.listAllDomains() == [] and threads("guest/1") == 1)
            again = conn.createXML(xml)
            assert state.exists()
            hung.release()
            wait_until(lambda: threads("guest/1") == 0)
        assert state.exists()
        again.destroy()
    assert not state.exists()


@pytest.mark.parametrize("what", ["rename", "undefine"])
def test_a_start_that_outlives_the_driver_is_waited_for_by_its_successor(tmp_path: Path, what: str) -> None:
    """What must not happen beside a start does not, whoever began that start."""
    with opened(tmp_path / "root") as conn:
        domain = conn.defineXML(small("a"))
        with faults.inject("journal.mark", faults.hang(), times=1, where={"step": "spawned"}) as hung:
            starting = began(domain.create)
            hung.wait()
            crash(conn.root, "drivers/qemu")
            with pytest.raises(libvirt.libvirtError, match="it may have happened"):
                starting.result(30)
            changed = began(domain.undefine if what == "undefine" else lambda: domain.rename("b"))
            with pytest.raises(TimeoutError):
                changed.result(0.5)
            hung.release()
            wait_until(changed.done)
        if what == "rename":
            with pytest.raises(libvirt.libvirtError, match="cannot rename active domain"):
                changed.result()
        assert (domain.name(), domain.state()[0]) == ("a", RUNNING)
        domain.destroy()


def test_a_driver_that_was_given_up_starts_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looked at a disk that did not answer; the domain can be started, or is no more, by then."""
    looking, over, look = threading.Event(), threading.Event(), Domains._check_saved

    def slow(domains: Domains, name: str, force: bool) -> None:
        look(domains, name, force)
        if not looking.is_set():
            looking.set()
            over.wait(30)

    monkeypatch.setattr(Domains, "_check_saved", slow)
    with opened(tmp_path / "root") as conn:
        domain, other = conn.defineXML(small("a")), conn.defineXML(small("b"))
        starting = began(domain.create)
        assert looking.wait(10)
        give_up(conn.root, "drivers/qemu")
        assert isinstance(starting.exception(30), libvirt.libvirtError)
        other.create()
        over.set()
        wait_until(lambda: threads("qemu") == 1)
        assert (qemus(tmp_path / "root"), domain.isActive()) == ([pid_of(tmp_path / "root", "b")], 0)
        domain.create()
        assert domain.state()[0] == RUNNING
        for each in (domain, other):
            each.destroy()
