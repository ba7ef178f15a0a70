"""Commands whose answers are lost, late or somebody else's, and operations that outlast their callers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.drivers.qemu.messages import Create, Lifecycle, Query, Recovered, Suspend
from embervirt.drivers.root.journal import Operation
from embervirt.errors import OperationInvalid, OperationTimeout, OutcomeUnknown
from embervirt.testing import (
    Action,
    FakeQemu,
    disconnects,
    ignores,
    silent,
    twice,
    waits,
    without_id,
    wrong_id,
)
from guest.calls import nothing_is_left
from guest.domain import qemus, small, uri, wait_until, watching

PAUSED, RUNNING = libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_RUNNING
STATUS = '{"execute": "query-status"}'
QUICK = {"qemu.qmp_timeout": 1.5}


@pytest.fixture
def conn(embervirt_root: Path, fake_qemu: FakeQemu) -> Iterator[libvirt.virConnect]:
    """Its guests live in the fake QEMU, and have 1.5 s for an answer."""
    settings = {"qemu.emulator": str(fake_qemu.emulator), **QUICK}
    with libvirt.open(uri(embervirt_root), settings=settings) as made:
        yield made


@pytest.fixture
def domain(conn: libvirt.virConnect) -> libvirt.virDomain:
    """It runs."""
    made = conn.defineXML(small("a"))
    made.create()
    return made


def resolved(conn: libvirt.virConnect, id_: str) -> Operation:
    """When it is."""
    wait_until(lambda: conn.root.operation(id_).state != "open")
    return conn.root.operation(id_)


# H04: the connection is lost.


@pytest.mark.parametrize("done", [True, False])
def test_h04_a_command_whose_connection_died_is_found_out(
    conn: libvirt.virConnect, fake_qemu: FakeQemu, domain: libvirt.virDomain, done: bool
) -> None:
    """It is unknown at first; the next session tells whether the guest is paused."""
    state, outcome = (PAUSED, "done") if done else (RUNNING, "undone")
    fake_qemu.on("stop", *([] if done else [ignores()]), disconnects(), times=1)
    with watching(conn.root) as events:
        with pytest.raises(OutcomeUnknown) as unknown:
            domain.suspend()
        assert conn.root.operation(unknown.value.operation).what == "suspend"
        assert resolved(conn, unknown.value.operation).state == outcome
        events.wait(lambda event: isinstance(event, Recovered))
        told = events.fitting(lambda event: isinstance(event, Lifecycle) and event.event == 3)
    assert (domain.state()[0], len(told)) == (state, int(done))
    domain.destroy()


def test_h04_a_real_qemu_whose_connection_died_is_found_out(tmp_path: Path) -> None:
    """It was executed, the connection was cut before its answer: that the guest is paused is found out."""
    with libvirt.open(uri(tmp_path)) as conn:
        domain = conn.defineXML(small("a"))
        domain.create()
        pid = qemus(tmp_path)
        where = {"command": "stop"}
        cut = faults.inject("qmp.answered", faults.cut(), times=1, where=where)
        lost = faults.inject("qmp.answered", faults.lose(), times=1, where=where)
        with cut, lost, pytest.raises(OutcomeUnknown) as unknown:
            domain.suspend()
        assert resolved(conn, unknown.value.operation).state == "done"
        wait_until(lambda: domain.messages() == [])
        assert (domain.state()[0], qemus(tmp_path)) == (PAUSED, pid)
        domain.resume()
        domain.destroy()


def test_h04_what_was_lost_with_the_agent_is_found_out_by_the_next(
    embervirt_root: Path, fake_qemu: FakeQemu
) -> None:
    """Nobody hears whether it was paused; who opens the root next asks."""
    settings = {"qemu.emulator": str(fake_qemu.emulator), **QUICK}
    with libvirt.open(uri(embervirt_root), settings=settings) as conn:
        domain = conn.defineXML(small("a"))
        domain.create()
        fake_qemu.on("stop", silent())
        with pytest.raises(OperationTimeout) as unknown:
            domain.suspend()
        fake_qemu.on("query-status", ignores())
    fake_qemu.clear()
    with libvirt.open(uri(embervirt_root), settings=settings) as conn:
        assert resolved(conn, unknown.value.operation).state == "done"
        assert conn.lookupByName("a").state()[0] == PAUSED
        conn.lookupByName("a").destroy()


# H05, H06: answers that come late, or wrong.


def test_h05_a_late_answer_reaches_nobody_else(
    conn: libvirt.virConnect, fake_qemu: FakeQemu, domain: libvirt.virDomain
) -> None:
    """The first call ran out of time, and is done once QEMU says so; the next one gets its own answer."""
    fake_qemu.on("stop", waits(3.0), times=1)
    with pytest.raises(OperationTimeout) as late:
        domain.suspend()
    assert conn.root.operation(late.value.operation).state == "open"
    assert resolved(conn, late.value.operation).state == "done"
    assert '"paused"' in domain._call(Query(STATUS))
    assert domain.state() == [PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER]
    wait_until(lambda: domain.messages() == [])
    domain.resume()
    assert domain.state()[0] == RUNNING
    domain.destroy()


@pytest.mark.parametrize("wrong", [wrong_id(), without_id(), twice()], ids=["wrong", "missing", "twice"])
def test_h06_an_answer_with_a_bad_id_settles_nobody_elses_call(
    conn: libvirt.virConnect, fake_qemu: FakeQemu, domain: libvirt.virDomain, wrong: Action
) -> None:
    """Each call ends, none with another's value; the guest is usable again, in this session or the next."""
    fake_qemu.on("query-name", wrong, times=1)
    try:
        assert '"name": "a"' in domain._call(Query('{"execute": "query-name"}'))
    except libvirt.libvirtError as error:
        assert isinstance(error, OutcomeUnknown | OperationTimeout)
    wait_until(lambda: answers(domain))
    assert '"UUID"' in domain._call(Query('{"execute": "query-uuid"}'))
    domain.suspend()
    assert domain.state()[0] == PAUSED
    assert conn.root.journal.open() == []
    domain.destroy()


def answers(domain: libvirt.virDomain) -> bool:
    """Its QEMU, what it was asked."""
    try:
        return '"running"' in domain._call(Query(STATUS))
    except libvirt.libvirtError:
        return False


# H11: the wait ends, the operation does not.


def begin_slow_start(conn: libvirt.virConnect, fake_qemu: FakeQemu) -> tuple[libvirt.virDomain, str]:
    """A start that takes 6 s, for which its caller waits one: the operation's id."""
    fake_qemu.on("greeting", waits(6.0), guest="slow")
    domain = conn.defineXML(small("slow"))
    began = time.monotonic()
    with pytest.raises(OperationTimeout) as expired:
        conn.root.bus.call("qemu", Create(domain.UUIDString()), deadline=began + 1.0)
    assert time.monotonic() - began < 5.0
    assert conn.root.operation(expired.value.operation).state == "open"
    assert expired.value.operation in str(expired.value)
    return domain, expired.value.operation


def test_h11_a_start_that_outlasts_its_caller_is_done_later(
    conn: libvirt.virConnect, fake_qemu: FakeQemu
) -> None:
    """The error names it; a cancel after its end is too late."""
    domain, id_ = begin_slow_start(conn, fake_qemu)
    done = resolved(conn, id_)
    assert (done.what, done.state, done.steps) == ("start", "done", ["spawned", "recorded"])
    assert domain.state()[0] == RUNNING
    with pytest.raises(OperationInvalid, match="too late"):
        conn.root.cancel(id_)
    domain.destroy()


def test_h11_a_start_that_is_cancelled_in_time_is_undone(
    conn: libvirt.virConnect, fake_qemu: FakeQemu, embervirt_root: Path
) -> None:
    """At its next step: no process, no file; the domain starts again."""
    domain, id_ = begin_slow_start(conn, fake_qemu)
    conn.root.cancel(id_)
    cancelled = resolved(conn, id_)
    assert (cancelled.state, "was cancelled" in cancelled.error) == ("failed", True)
    wait_until(lambda: not fake_qemu.running("slow"))
    assert nothing_is_left(conn, embervirt_root, before={"slow.log"})
    assert domain.isActive() == 0
    fake_qemu.clear()
    domain.create()
    domain.destroy()


def test_h11_a_call_without_time_for_its_answer_names_its_operation(
    conn: libvirt.virConnect, fake_qemu: FakeQemu, domain: libvirt.virDomain
) -> None:
    """Any change, to a guest's own actor as well."""
    fake_qemu.on("stop", waits(1.2), times=1)
    with pytest.raises(OperationTimeout) as expired:
        conn.root.bus.call(f"guest/{domain.ID()}", Suspend(), deadline=time.monotonic() + 0.8)
    assert resolved(conn, expired.value.operation).state == "done"
    assert domain.state()[0] == PAUSED
    domain.destroy()
