"""Guests that are found again: their QEMU was started by a root that closed, or by a process now dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.actors.messages import Numbered
from embervirt.drivers.qemu.actor.guest import ADOPTION
from embervirt.drivers.qemu.messages import Lifecycle, Query, Recovered
from embervirt.drivers.qemu.store import FORMAT
from embervirt.drivers.root import sockets
from embervirt.errors import RootBusy
from embervirt.testing import FakeQemu, exits, guest_shuts_down, refuses
from guest.calls import nothing_is_left, raced
from guest.domain import SECONDS, kill, pid_of, qemus, small, uri, wait_until, watching
from guest.host import Host
from guest.memory_group import BOUNDED, GREEDY, OOM, limited
from guest.qmp import Client

STOPPED = libvirt.VIR_DOMAIN_EVENT_STOPPED
RUNNING, PAUSED, SHUTOFF = (
    libvirt.VIR_DOMAIN_RUNNING,
    libvirt.VIR_DOMAIN_PAUSED,
    libvirt.VIR_DOMAIN_SHUTOFF,
)
STATUS = '{"execute": "query-status"}'
patient = pytest.mark.usefixtures("patient")
STARTS = """
conn = libvirt.open(uri(ROOT))
names = sys.stdin.readline().split()
for name in names:
    conn.defineXML(small(name)).create()
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Not made yet; guests that a test leaves running are ended after it."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)


def killed(root: Path, *names: str, more: str = "") -> None:
    """An agent that started these guests, and was killed."""
    host = Host(root, STARTS + more + "\nsay(ready=True)\nsignal.pause()\n")
    assert host.process.stdin
    host.process.stdin.write(" ".join(names))
    host.line()
    host.hear()
    host.kill()


def left(root: Path, name: str = "a") -> Path:
    """The record of its guest."""
    return root / "run/qemu" / f"{name}.json"


def rewrite(path: Path, **changed: Any) -> None:
    """A record, with other content."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def past(conn: libvirt.virConnect) -> list[Any]:
    """Events of this root's guests since it was made, up to an end, which is told after it is seen."""
    found: list[Any] = []
    with conn.root.subscribe(since=0) as events:
        while not found or found[-1].event != STOPPED:
            received = events.get(SECONDS)
            assert isinstance(received, Numbered), found
            event = received.event()
            found += [event] if isinstance(event, Lifecycle) else []
    return found


# J01: all of them.


@patient
def test_j01_twenty_guests_of_a_killed_agent_are_adopted(root: Path) -> None:
    """By the same pids, in the states that QEMU says, and why one has ended; ``bench`` measures the time."""
    names = [f"guest{number:02}" for number in range(20)]
    killed(root, *names, more="[conn.lookupByName(name).suspend() for name in names[:3]]")
    pids = {name: pid_of(root, name) for name in names}
    kill(pids["guest19"])
    with libvirt.open(uri(root)) as conn:
        found = {domain.name(): domain.state() for domain in conn.listAllDomains()}
        assert found.pop("guest19") == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]
        assert {name: pid_of(root, name) for name in found} == {name: pids[name] for name in names[:-1]}
        for name, state in found.items():
            domain = conn.lookupByName(name)
            running = json.loads(domain._call(Query(STATUS)))["running"]
            assert (state[0], running) == ((PAUSED, False) if name in names[:3] else (RUNNING, True))
            assert domain.messages() == []
            domain.destroy()


# J02, J03: what fails degrades, and stops nobody.


def test_j02_a_stopped_qemu_is_adopted_as_degraded_and_heals(root: Path) -> None:
    """It is not signalled, the open waits less than a second for it, and SIGCONT is all it needs."""
    killed(root, "a", "b")
    pid = pid_of(root, "a")
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    with libvirt.open(uri(root)) as conn:
        assert ADOPTION < 1  # more is not waited; that of other answers ends after ten times as long
        assert time.monotonic() - began < 8
        domain = conn.lookupByName("a")
        wait_until(lambda: domain.messages() != [])
        assert domain.messages()[0].startswith("monitor: ")
        assert domain.state()[0] == RUNNING
        assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
        other = conn.lookupByName("b")
        wait_until(lambda: raced(threading.Barrier(1), other.suspend) is None)  # once it is adopted
        with watching(conn.root) as events:
            os.kill(pid, signal.SIGCONT)
            events.wait(lambda event: isinstance(event, Recovered) and event.name == "a")
        domain.suspend()
        assert (domain.state()[0], pid_of(root, "a")) == (PAUSED, pid)
        conn.lookupByName("a").destroy()
        conn.lookupByName("b").destroy()


def test_j02_a_monitor_that_another_client_holds_degrades_until_that_is_gone(root: Path) -> None:
    """The guest runs, and is adopted when the other one lets go."""
    killed(root, "a")
    pid = pid_of(root, "a")
    holder = sockets.connect(root / "lib/qemu/domain-1-a/monitor.sock")
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        wait_until(lambda: domain.messages() == ["monitor: no greeting for 0.5 s"])
        holder.close()
        wait_until(lambda: domain.messages() == [])
        assert (domain.state()[0], pid_of(root, "a")) == (RUNNING, pid)
        domain.destroy()


@patient
@pytest.mark.parametrize("query", ["query-status", "query-chardev", "qom-list"])
def test_j03_a_query_of_the_adoption_that_fails_degrades_that_alone(
    embervirt_root: Path, fake_qemu: FakeQemu, query: str
) -> None:
    """The guest runs, obeys, and is whole again when QEMU answers."""
    settings = {"qemu.emulator": str(fake_qemu.emulator)}
    with libvirt.open(uri(embervirt_root), settings=settings) as conn:
        conn.defineXML(small("a")).create()
    fake_qemu.on(query, refuses("not now"))
    with libvirt.open(uri(embervirt_root), settings=settings) as conn:
        domain = conn.lookupByName("a")
        assert domain.messages() == [f"{query}: not now"]
        domain.suspend()
        domain.resume()
        assert domain.state()[0] == RUNNING
    fake_qemu.clear()
    with libvirt.open(uri(embervirt_root), settings=settings) as conn:
        assert conn.lookupByName("a").messages() == []
        assert len(fake_qemu.log("spawn", "a")) == 1
        conn.lookupByName("a").destroy()


# J04, J08, J09: ends that nobody watched.


@pytest.mark.parametrize(
    ("number", "reason", "why"),
    [
        (signal.SIGKILL, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, "killed by signal 9 (SIGKILL)"),
        (signal.SIGSEGV, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, "killed by signal 11 (SIGSEGV)"),
        (signal.SIGTERM, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN, "exited with status 0"),
    ],
)
def test_j04_i04_an_end_that_nobody_watched_has_its_cause(
    root: Path, number: int, reason: int, why: str
) -> None:
    """From the recorder, with the time; the event says that it is inferred."""
    killed(root, "a")
    process = psutil.Process(pid_of(root, "a"))
    process.send_signal(number)
    process.wait(SECONDS)
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        assert domain.state() == [SHUTOFF, reason]
        ended = past(conn)[-1]
        assert ended.why.startswith(f"{why}, inferred: it ended at 2")
        assert nothing_is_left(conn, root, before={"a.log"})
        domain.create()
        domain.destroy()


def test_j04_i04_the_oom_killer_is_told_by_the_next_agent(root: Path) -> None:
    """It knows the counter of QEMU's cgroup from the record."""
    with limited(BOUNDED) as leave:
        with libvirt.open(uri(root)) as conn:
            conn.defineXML(small("a")).create()
            leave()
        client = Client(root / "lib/qemu/domain-1-a/monitor.sock").negotiate()
        client.say(GREEDY)
        psutil.Process(pid_of(root, "a")).wait(SECONDS)
        client.close()
        with libvirt.open(uri(root)) as conn:
            why = f"killed by signal 9 (SIGKILL){OOM}, inferred: it ended at 2"
            assert past(conn)[-1].why.startswith(why)
            assert conn.lookupByName("a").state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]


def test_j04_a_qemu_that_failed_while_nobody_watched_is_told(
    embervirt_root: Path, fake_qemu: FakeQemu
) -> None:
    """By its exit status."""
    settings = {"qemu.emulator": str(fake_qemu.emulator)}
    with libvirt.open(uri(embervirt_root), settings=settings) as conn:
        conn.defineXML(small("a")).create()
    fake_qemu.now(exits(3))
    wait_until(lambda: fake_qemu.running() == [])
    with libvirt.open(uri(embervirt_root), settings=settings) as conn:
        assert conn.lookupByName("a").state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]
        assert past(conn)[-1].why.startswith("exited with status 3, inferred: it ended at")


def test_j08_a_guest_that_powered_off_while_nobody_watched_is_finished(
    embervirt_root: Path, fake_qemu: FakeQemu
) -> None:
    """Its QEMU waits for who sees that: then it ends, in order, and both are told."""
    settings = {"qemu.emulator": str(fake_qemu.emulator)}
    with libvirt.open(uri(embervirt_root), settings=settings) as conn:
        conn.defineXML(small("a")).create()
    fake_qemu.now(guest_shuts_down())
    wait_until(lambda: '"shutdown"' in answer(embervirt_root))
    with libvirt.open(uri(embervirt_root), settings=settings) as conn:
        domain = conn.lookupByName("a")
        wait_until(lambda: domain.isActive() == 0)
        assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN]
        told = [(each.event, each.why) for each in past(conn) if each.event in (5, 6)]
        assert told == [(6, "reconciled: it was found so"), (5, "exited with status 0")]
        assert [(each.what, each.state) for each in conn.root.journal.values()][-1] == ("end", "done")


def answer(root: Path) -> str:
    """What QEMU says of itself to somebody else."""
    client = Client(root / "lib/qemu/domain-1-a/monitor.sock").negotiate()
    try:
        return json.dumps(client.value("query-status"))
    finally:
        client.close()


ORDERS = {"recorder, QEMU": "rq", "QEMU, recorder": "qr", "the recorder alone": "r"}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("away", [False, True])
def test_j09_deaths_of_recorder_and_qemu_in_any_order_are_no_hang(root: Path, order: str, away: bool) -> None:
    """Without the recorder nobody knows the status, and it is told so; QEMU is not its recorder's to end."""
    if away:
        killed(root, "a")
        end_both(root, ORDERS[order])
    with libvirt.open(uri(root)) as conn, watching(conn.root) as events:
        if not away:
            conn.defineXML(small("a")).create()
            end_both(root, ORDERS[order])
        domain = conn.lookupByName("a")
        if order == "the recorder alone":
            assert domain.state()[0] == RUNNING
            domain.destroy()
            return
        wait_until(lambda: domain.isActive() == 0)
        assert domain.state() == [SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]
        if not away:
            [ended] = events.wait(lambda event: isinstance(event, Lifecycle) and event.event == 5)
            assert isinstance(ended, Lifecycle) and ended.why == "exit status unknown"


def end_both(root: Path, order: str) -> None:
    """SIGKILL, in that order; the recorder is stopped before, so that it cannot write anything meanwhile."""
    process = json.loads(left(root).read_text())["process"]
    pids = {"q": process["identity"]["pid"], "r": process["spawned"]["recorder_pid"]}
    os.kill(pids["r"], signal.SIGSTOP)
    for each in order:
        kill(pids[each])


# J05, J06, J15: who it is not.


def test_j05_j15_a_record_that_names_an_innocent_process_harms_nobody(root: Path) -> None:
    """Its pid has come to somebody else: the guest is gone, and that one is not touched."""
    killed(root, "a")
    kill(pid_of(root, "a"))
    innocent = subprocess.Popen(["/bin/sleep", "1000"])
    try:
        record = json.loads(left(root).read_text())["process"]
        record["identity"]["pid"] = record["spawned"]["pid"] = innocent.pid
        rewrite(left(root), process=record)
        (root / "run/qemu/a.pid").write_text(f"{innocent.pid}\n")
        with libvirt.open(uri(root)) as conn:
            domain = conn.lookupByName("a")
            assert domain.isActive() == 0
            with pytest.raises(libvirt.libvirtError, match="domain is not running"):
                domain.destroy()
            domain.create()
            domain.destroy()
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_j06_after_a_reboot_of_the_host_nothing_is_adopted(root: Path) -> None:
    """Records and directories of runs are void; the domain is off, and starts."""
    killed(root, "a", "b")
    for name in "ab":
        kill(pid_of(root, name))
        record = json.loads(left(root, name).read_text())["process"]
        record["identity"]["boot_id"] = "00000000-0000-4000-8000-000000000000"
        rewrite(left(root, name), process=record)
    with libvirt.open(uri(root)) as conn:
        assert [domain.isActive() for domain in conn.listAllDomains()] == [0, 0]
        assert nothing_is_left(conn, root, before={"a.log", "b.log"})
        conn.lookupByName("a").create()
        id_ = conn.lookupByName("a").ID()
        conn.lookupByName("a").destroy()
        assert id_ > 0 and past(conn)[-1].id == id_  # no end was told before


# J07, J12: nobody knows of it.

POINTS = [
    "process.spawned=kill",
    "journal.mark=kill@1",
    "file.renamed[path=*/a.pid]=kill",
    "file.renamed[path=*/a.json]=kill",
    "journal.mark=kill@2",
]


@patient
@pytest.mark.parametrize("point", POINTS)
def test_j07_a_qemu_that_was_spawned_and_not_recorded_is_found(
    root: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """By its nonce: it never ran its guest, and is cleaned away; once recorded, its start is completed."""
    monkeypatch.setenv(faults.VARIABLE, point)
    host = Host(root, 'libvirt.open(uri(ROOT)).defineXML(small("a")).create()')
    assert host.process.wait(SECONDS) == -9
    host.kill()
    monkeypatch.delenv(faults.VARIABLE)
    wait_until(lambda: len(qemus(root)) == 1)  # its recorder may not have executed it yet
    with libvirt.open(uri(root)) as conn:
        domain, [start] = conn.lookupByName("a"), conn.root.journal.values()
        if point == POINTS[-1]:
            wait_until(lambda: conn.root.operation(start.id).state == "done")
            assert (domain.state()[0], len(qemus(root))) == (RUNNING, 1)
            domain.destroy()
        assert conn.root.operation(start.id).state == ("done" if point == POINTS[-1] else "undone")
        assert nothing_is_left(conn, root, before={"a.log"})
        domain.create()
        assert len(qemus(root)) == 1
        domain.destroy()


@patient
@pytest.mark.parametrize("content", [None, b"{garbage", b""], ids=["gone", "garbage", "empty"])
def test_j12_a_guest_whose_record_is_lost_is_an_orphan(root: Path, content: bytes | None) -> None:
    """It is shown as such, with its identity; its XML makes it whole, for the next agent too."""
    killed(root, "a")
    pid = pid_of(root, "a")
    if content is None:
        left(root).unlink()
    else:
        left(root).write_bytes(content)
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        assert domain.messages() == ["orphan: its record is lost; destroy it, or adopt it with its XML"]
        row = conn.root.part("qemu").face.tables.running.get(domain.UUIDString())
        assert (row.process.pid, domain.state()[0], domain.ID()) == (pid, RUNNING, 1)
        with pytest.raises(libvirt.libvirtError, match="already running"):
            domain.create()
        domain.adopt(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        assert domain.messages() == []
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        assert (domain.messages(), domain.state()[0], qemus(root)) == ([], RUNNING, [pid])
        domain.suspend()
        domain.destroy()
        assert nothing_is_left(conn, root, before={"a.log"})


@patient
def test_j12_an_orphan_without_a_definition_may_be_destroyed(root: Path) -> None:
    """All that is known is on its command line; a name that XML has to quote is no matter."""
    with libvirt.open(uri(root)) as conn:
        conn.createXML(small("b &amp; c"))
    left(root, "b & c").unlink()
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("b & c")
        assert domain.messages()[0].startswith("orphan: ")
        domain.destroy()
        assert (qemus(root), conn.listAllDomains()) == ([], [])
        assert nothing_is_left(conn, root, before={"b & c.log"})


# J10: only one.


def test_j10_of_two_agents_after_a_crash_one_wins(root: Path) -> None:
    """The other is refused, and told who it is as soon as that is written; the guest is the winner's."""
    killed(root, "a")
    code = """
sys.stdin.readline()
try:
    conn = libvirt.open(uri(ROOT))
    say(pid=os.getpid(), state=conn.lookupByName("a").state())
    sys.stdin.readline()
except libvirt.libvirtError as error:
    say(refused=type(error).__name__, why=str(error))
"""
    agents = [Host(root, code), Host(root, code)]
    for agent in agents:
        agent.line()
    said = [agent.hear() for agent in agents]
    [won], [lost] = ([each for each in said if key in each] for key in ("pid", "refused"))
    assert won["state"][0] == RUNNING
    assert lost["refused"] == "RootBusy"
    assert f"process {won['pid']} " in lost["why"] or lost["why"].endswith("by another process")
    with pytest.raises(RootBusy, match=f"process {won['pid']} "):
        libvirt.open(uri(root))
    for agent, each in zip(agents, said, strict=True):
        if "pid" in each:
            agent.line()
        agent.end()
    assert len(qemus(root)) == 1


# J13: other versions.


@patient
def test_j13_a_record_of_an_older_format_is_migrated(root: Path) -> None:
    """It had neither state nor live description: both are asked for, and written in today's format."""
    killed(root, "a", more="conn.lookupByName('a').suspend()")
    old = json.loads(left(root).read_text())
    for key in ("state", "live", "format"):
        del old[key]
    left(root).write_text(json.dumps(old))
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        assert domain.state() == [PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER]
        wait_until(lambda: "format" in json.loads(left(root).read_text()))
        new = json.loads(left(root).read_text())
        assert (new["format"], new["state"]) == (FORMAT, domain.state())
        domain.destroy()


@patient
def test_j13_a_record_of_a_newer_format_is_only_looked_at(root: Path) -> None:
    """The guest runs on, no change is made to it or to the record, and others are not concerned."""
    killed(root, "a", "b")
    rewrite(left(root), format=FORMAT + 1, feature={"of": "tomorrow"})
    content = left(root).read_bytes()
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        assert domain.state()[0] == RUNNING and domain.info() and domain.XMLDesc()
        assert f"format {FORMAT + 1} is newer than {FORMAT}" in domain.messages()[0]
        for change in (domain.suspend, domain.shutdown, domain.destroy, domain.end):
            with pytest.raises(libvirt.libvirtError, match="it can only be looked at"):
                change()
        conn.lookupByName("b").destroy()
    assert left(root).read_bytes() == content
    assert len(qemus(root)) == 1
