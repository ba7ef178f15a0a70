"""Definitions and runs of domains, as libvirt 9 has them: states and reasons, events, look-ups, refusals."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Lifecycle
from guest.calls import code_of, nothing_is_left, raced
from guest.domain import SECONDS, Events, pid_of, qemus, small, uri, wait_until, watching

UUID = "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b"
OTHER = "7d4d9c2f-5e1d-4a1f-8e5b-1c8a7f2e3d4c"

DEFINED, UNDEFINED, STARTED, SUSPENDED, RESUMED, STOPPED, SHUTDOWN = range(7)
RUNNING, PAUSED, SHUTOFF = 1, 3, 5


class Seen:
    """What callbacks were given, and the numbered stream: name, event, detail of each."""

    def __init__(self, conn: libvirt.virConnect, stream: Events) -> None:
        self.called: list[tuple[str, int, int]] = []
        self._stream, self._changed = stream, threading.Condition()
        self._taken = 0
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._add, self)

    def _add(self, conn: Any, domain: Any, event: int, detail: int, opaque: Any) -> None:
        assert opaque is self
        with self._changed:
            self.called.append((domain.name(), event, detail))
            self._changed.notify_all()

    def take(self, count: int) -> list[tuple[int, int]]:
        """The next ``count`` events of both, which agree."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.called) >= count, SECONDS), self.called
            called, self.called = self.called[:count], self.called[count:]
        streamed = self._stream.wait(lambda event: isinstance(event, Lifecycle), count=self._taken + count)
        new = [each for each in streamed[self._taken :] if isinstance(each, Lifecycle)]
        assert [(each.name, each.event, each.detail) for each in new[:count]] == called
        self._taken += count
        return [(event, detail) for _, event, detail in called]


@pytest.fixture
def seen(conn: libvirt.virConnect) -> Iterator[Seen]:
    """Its lifecycle events from now on."""
    with watching(conn.root) as events:
        yield Seen(conn, events)


# A life.


def test_the_life_of_a_persistent_domain(conn: libvirt.virConnect, seen: Seen) -> None:
    """Each step has its state, its reason and its events."""
    domain = conn.defineXML(small("a"))
    assert (domain.state(), domain.ID(), domain.isPersistent()) == ([SHUTOFF, 0], -1, 1)
    assert seen.take(1) == [(DEFINED, 0)]
    domain.create()
    assert domain.state() == [RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED]
    assert domain.ID() > 0
    assert (STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED) in seen.take(1)
    domain.suspend()
    assert domain.state() == [PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER]
    assert seen.take(1) == [(SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED)]
    domain.suspend()
    domain.resume()
    assert domain.state() == [RUNNING, libvirt.VIR_DOMAIN_RUNNING_UNPAUSED]
    assert seen.take(1) == [(RESUMED, libvirt.VIR_DOMAIN_EVENT_RESUMED_UNPAUSED)]
    domain.destroy()
    assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED]
    assert seen.take(1) == [(STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED)]
    domain.undefine()
    assert seen.take(1) == [(UNDEFINED, 0)]
    assert conn.listAllDomains() == []
    for call in (domain.state, domain.info, domain.XMLDesc, domain.isActive, domain.isPersistent):
        assert code_of(call) == libvirt.VIR_ERR_NO_DOMAIN
    for change in (domain.create, domain.destroy, domain.undefine, domain.suspend):
        assert code_of(change) == libvirt.VIR_ERR_NO_DOMAIN


def test_a_domain_may_start_paused(conn: libvirt.virConnect, seen: Seen) -> None:
    """It is paused by the user, and the events say started, then suspended."""
    domain = conn.createXML(small("a"), libvirt.VIR_DOMAIN_START_PAUSED)
    assert domain.state() == [PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER]
    assert seen.take(2) == [(STARTED, 0), (SUSPENDED, 0)]
    domain.resume()
    domain.destroy()
    assert seen.take(2) == [(RESUMED, 0), (STOPPED, 1)]


def test_a_transient_domain_is_gone_with_its_run(conn: libvirt.virConnect, seen: Seen) -> None:
    """It cannot be undefined; a definition of it while it runs makes it persistent."""
    domain = conn.createXML(small("a", uuid=UUID))
    assert domain.isPersistent() == 0
    assert code_of(domain.undefine) == libvirt.VIR_ERR_OPERATION_INVALID
    domain.destroy()
    assert code_of(domain.state) == libvirt.VIR_ERR_NO_DOMAIN
    assert seen.take(2) == [(STARTED, 0), (STOPPED, 1)]
    again = conn.createXML(small("a", uuid=UUID))
    conn.defineXML(small("a", uuid=UUID, memory=48))
    assert again.isPersistent() == 1
    again.destroy()
    assert again.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED]
    assert again.info()[1] == 48 * 1024
    assert seen.take(3) == [(STARTED, 0), (DEFINED, 0), (STOPPED, 1)]


def test_a_running_domain_may_lose_its_definition(conn: libvirt.virConnect, seen: Seen) -> None:
    """Undefined while it runs it becomes transient, and is gone when it ends."""
    domain = conn.defineXML(small("a"))
    domain.create()
    domain.undefine()
    assert (domain.isPersistent(), domain.isActive()) == (0, 1)
    domain.destroy()
    assert conn.listAllDomains() == []
    assert [event for event, _ in seen.take(4)] == [DEFINED, STARTED, UNDEFINED, STOPPED]


def test_a_redefinition_counts_from_the_next_start(conn: libvirt.virConnect, seen: Seen) -> None:
    """The run keeps its own description, the definition is the new one."""
    domain = conn.defineXML(small("a", uuid=UUID))
    domain.create()
    conn.defineXML(small("a", uuid=UUID, memory=48))
    assert "<memory unit='KiB'>32768</memory>" in domain.XMLDesc()
    assert "<memory unit='KiB'>49152</memory>" in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert domain.info()[1] == 32 * 1024
    domain.destroy()
    domain.create()
    assert domain.info()[1] == 48 * 1024
    domain.destroy()
    found = seen.take(6)
    assert found[2] == (DEFINED, libvirt.VIR_DOMAIN_EVENT_DEFINED_UPDATED)


def test_a_defined_domain_may_be_run_with_other_details(conn: libvirt.virConnect) -> None:
    """``createXML`` with its name and UUID: it stays persistent, the definition as it was."""
    domain = conn.defineXML(small("a", uuid=UUID))
    conn.createXML(small("a", uuid=UUID, memory=48))
    assert (domain.isActive(), domain.isPersistent(), domain.info()[1]) == (1, 1, 48 * 1024)
    domain.destroy()
    assert domain.info()[1] == 32 * 1024


@pytest.mark.parametrize(
    ("number", "state", "events"),
    [
        (9, [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED], [(STOPPED, 5)]),
        (15, [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN], [(SHUTDOWN, 2), (STOPPED, 0)]),
    ],
)
def test_a_qemu_that_is_killed_is_seen(
    conn: libvirt.virConnect, seen: Seen, tmp_path: Path, number: int, state: list[int], events: list[Any]
) -> None:
    """The state and the events say what happened; the domain starts again."""
    domain = conn.defineXML(small("a"))
    domain.create()
    seen.take(2)
    os.kill(pid_of(tmp_path / "root", "a"), number)
    assert seen.take(len(events)) == events
    assert domain.state() == state
    domain.create()
    domain.destroy()


# Refusals.


def test_calls_that_do_not_fit_the_state_are_refused(conn: libvirt.virConnect) -> None:
    """With libvirt's code 55 and its words."""
    domain = conn.defineXML(small("a"))
    for call in (domain.suspend, domain.resume, domain.shutdown, domain.destroy):
        with pytest.raises(libvirt.libvirtError, match="domain is not running") as refused:
            call()
        assert refused.value.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID
    domain.create()
    with pytest.raises(libvirt.libvirtError, match="domain is already running"):
        domain.create()
    with pytest.raises(libvirt.libvirtError, match="domain is already running"):
        domain.resume()
    domain.suspend()
    with pytest.raises(libvirt.libvirtError, match="domain is not running"):
        domain.shutdown()
    domain.destroy()


@pytest.mark.parametrize("running", [False, True])
def test_a_name_and_a_uuid_belong_to_one_domain(conn: libvirt.virConnect, running: bool) -> None:
    """Another domain with either is refused (9), the one with both is the same, running twice is 55."""
    if running:
        conn.createXML(small("a", uuid=UUID))
    else:
        conn.defineXML(small("a", uuid=UUID))
    for xml in (small("a", uuid=OTHER), small("b", uuid=UUID), small("a")):
        assert code_of(conn.defineXML, xml) == libvirt.VIR_ERR_OPERATION_FAILED
        assert code_of(conn.createXML, xml) == libvirt.VIR_ERR_OPERATION_FAILED
    if running:
        assert code_of(conn.createXML, small("a", uuid=UUID)) == libvirt.VIR_ERR_OPERATION_INVALID
        conn.lookupByName("a").destroy()
    else:
        conn.defineXML(small("a", uuid=UUID)).undefine()


def test_a_read_only_connection_changes_nothing(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Every change is refused with 29; looking is allowed, secure XML is not."""
    conn.defineXML(small("a")).create()
    conn.secretDefineXML("<secret><uuid>" + UUID + "</uuid></secret>").setValue(b"v")
    with libvirt.openReadOnly(uri(tmp_path / "root")) as looker:
        domain, secret = looker.lookupByName("a"), looker.secretLookupByUUIDString(UUID)
        assert domain.state()[0] == RUNNING and domain.info() and domain.XMLDesc() and secret.XMLDesc()
        changes: list[Any] = [domain.suspend, domain.resume, domain.shutdown, domain.destroy, domain.create]
        changes += [domain.undefine, lambda: domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)]
        changes += [lambda: looker.defineXML(small("b")), lambda: looker.createXML(small("b"))]
        changes += [secret.value, secret.undefine, lambda: secret.setValue(b"w")]
        changes += [lambda: looker.secretDefineXML("<secret/>"), lambda: looker.secretRewrap("/k")]
        for change in changes:
            assert code_of(change) == libvirt.VIR_ERR_OPERATION_DENIED
    assert conn.lookupByName("a").state() == [RUNNING, 1]
    conn.lookupByName("a").destroy()


def test_unknown_flags_are_refused(conn: libvirt.virConnect) -> None:
    """Never ignored: code 8."""
    domain, flag = conn.defineXML(small("a")), 1 << 20
    calls: list[Any] = [lambda: domain.createWithFlags(flag), lambda: conn.listAllDomains(flag)]
    calls += [lambda: conn.createXML(small("b"), flag), lambda: domain.XMLDesc(flag)]
    calls += [lambda: conn.defineXMLFlags(small("b"), flag), lambda: domain.undefineFlags(flag)]
    for call in calls:
        assert code_of(call) == libvirt.VIR_ERR_INVALID_ARG
    assert [each.name() for each in conn.listAllDomains()] == ["a"]


# Lists and look-ups.


def test_lists_and_look_ups(conn: libvirt.virConnect) -> None:
    """By name, UUID in both forms and id; by every group of flags; unknown ones are 42, bad ones 8."""
    conn.defineXML(small("off"))
    conn.defineXML(small("on", uuid=UUID)).create()
    conn.createXML(small("transient"))
    conn.createXML(small("paused"), libvirt.VIR_DOMAIN_START_PAUSED)

    def names(*flags: int) -> list[str]:
        return sorted(each.name() for each in conn.listAllDomains(sum(flags)))

    assert names() == ["off", "on", "paused", "transient"]
    assert names(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE) == ["on", "paused", "transient"]
    assert names(libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE) == ["off"]
    assert names(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT) == ["off", "on"]
    assert names(libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT) == ["paused", "transient"]
    assert names(libvirt.VIR_CONNECT_LIST_DOMAINS_PAUSED) == ["paused"]
    assert names(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING) == ["on", "transient"]
    assert names(libvirt.VIR_CONNECT_LIST_DOMAINS_SHUTOFF) == ["off"]
    both = libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE, libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT
    assert names(*both) == ["on"]
    assert (conn.numOfDomains(), conn.numOfDefinedDomains(), conn.listDefinedDomains()) == (3, 1, ["off"])
    domain = conn.lookupByUUIDString(UUID.upper().replace("-", ""))
    assert conn.lookupByUUID(domain.UUID()).name() == conn.lookupByID(domain.ID()).name() == "on"
    for look, key in ((conn.lookupByName, "x"), (conn.lookupByID, 99), (conn.lookupByUUIDString, OTHER)):
        assert code_of(look, key) == libvirt.VIR_ERR_NO_DOMAIN
    assert code_of(conn.lookupByUUIDString, "no uuid") == libvirt.VIR_ERR_INVALID_ARG
    for each in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        each.destroy()


# Races.


def test_of_two_starts_exactly_one_wins(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Of one definition, of one transient domain, of one name: there is never a second QEMU."""
    domain = conn.defineXML(small("a", uuid=UUID))
    races: list[list[Any]] = [
        [domain.create] * 3,
        [domain.create, lambda: conn.createXML(small("a", uuid=UUID))],
        [lambda: conn.createXML(small("t", uuid=OTHER))] * 2,
        [lambda: conn.createXML(small("t"))] * 3,
        [lambda: conn.createXML(small("u", uuid=OTHER)), lambda: conn.createXML(small("v", uuid=OTHER))],
    ]
    for racers in races * 3:
        barrier = threading.Barrier(len(racers))
        with ThreadPoolExecutor(len(racers)) as pool:
            codes = list(pool.map(lambda call: raced(barrier, call), racers))  # noqa: B023
        assert codes.count(None) == 1, codes
        assert set(codes) <= {None, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_FAILED}
        assert len(qemus(tmp_path)) == 1
        [winner] = conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        winner.destroy()
        assert qemus(tmp_path) == []


def test_destroy_and_start_as_fast_as_possible(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Fifty times, destroyed by two threads at once: no two QEMUs, no id used twice, and nothing is left."""
    domain = conn.defineXML(small("a"))
    ids, most = [], 0
    for _ in range(50):
        domain.create()
        ids.append(domain.ID())
        with ThreadPoolExecutor(2) as pool:
            codes = list(pool.map(lambda call: raced(threading.Barrier(1), call), [domain.destroy] * 2))
        assert codes.count(None) >= 1 and set(codes) <= {None, libvirt.VIR_ERR_OPERATION_INVALID}, codes
        most = max(most, len(qemus(tmp_path)))
    assert (len(set(ids)), most) == (50, 0)
    assert nothing_is_left(conn, tmp_path / "root", before={"a.log"})


def test_a_driver_that_dies_during_a_start_starts_nothing_twice(tmp_path: Path) -> None:
    """The start that is under way ends well or not at all, and a second one meanwhile is refused."""
    prompt = {"supervision.backoff_initial": 0.001, "supervision.backoff_cap": 0.01}
    with libvirt.open(uri(tmp_path / "root"), settings=prompt) as conn:
        domain = conn.defineXML(small("a", uuid=UUID))
        assert max(die_during_starts(conn, domain, tmp_path)) == 1


def die_during_starts(conn: libvirt.virConnect, domain: libvirt.virDomain, tmp_path: Path) -> list[int]:
    """Ten times; how many QEMUs there were after each two starts, and when there had to be one."""
    alive = []
    for _ in range(10):
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(raced, threading.Barrier(1), domain.create)
            conn.root.crash("drivers/qemu")
            second = pool.submit(raced, threading.Barrier(1), domain.create)
            first.result()
            second.result()
        alive.append(len(qemus(tmp_path)))
        wait_until(lambda: raced(threading.Barrier(1), domain.create) is None or bool(domain.isActive()))
        alive.append(len(qemus(tmp_path)))
        assert alive[-1] == 1
        domain.destroy()
        assert nothing_is_left(conn, tmp_path / "root", before={"a.log"})
    return alive


# A guest by the name of a lock.


def test_a_guest_may_be_called_as_the_lock_of_libvirts_driver(
    conn: libvirt.virConnect, tmp_path: Path
) -> None:
    """Its pid file would be ``driver.pid``: the lock stays what it is."""
    lock = tmp_path / "root/run/qemu/driver.pid"
    before = lock.stat().st_ino, lock.read_text()
    conn.createXML(small("driver")).destroy()
    assert (lock.stat().st_ino, lock.read_text()) == before
