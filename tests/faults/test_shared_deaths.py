"""What all guests of a root share dies or hangs: their QEMUs never notice, reads work, the cause is told."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

import embervirt as libvirt
from embervirt import faults, world
from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.errors import InvalidConnection
from embervirt.supervisor.report import HealthChanged
from guest.calls import began
from guest.domain import crash, kill, opened, pid_of, qemus, small, uri, wait_until, watching

PAUSED, RUNNING = libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_RUNNING
STOPPED = libvirt.VIR_DOMAIN_EVENT_STOPPED


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Whatever runs in the end is killed."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)


def test_f08_a_root_whose_exchange_died_shows_its_guests_and_changes_nothing(root: Path) -> None:
    """Changes are refused at once, reads are as before; the next open has the same QEMU, and the cause."""
    end = threading.Event()

    def dying(front: zmq.Socket[bytes], back: zmq.Socket[bytes], *_: object) -> None:
        while not end.is_set():
            for here, there in ((front, back), (back, front)):
                if here.poll(2):
                    sender, to, *rest = here.recv_multipart()
                    there.send_multipart([to, sender, *rest])
        raise MemoryError("no more")

    with world.substituted(monitored_queue=dying):
        conn = libvirt.open(uri(root))
    domain = conn.createXML(small("a"))
    domain.suspend()
    pid, before = pid_of(root, "a"), domain.XMLDesc()
    end.set()
    reason = "exchange: error(MemoryError: no more)"
    wait_until(lambda: conn.root.health().degraded == [reason])
    with pytest.raises(InvalidConnection, match="the exchange of the root failed: error"):
        domain.resume()
    with pytest.raises(InvalidConnection):
        conn.defineXML(small("b"))
    assert [each.name() for each in conn.listAllDomains()] == ["a"]
    assert (domain.state()[0], domain.XMLDesc(), qemus(root)) == (PAUSED, before, [pid])
    conn.close()
    assert reason in (root / "lib/embervirt/events.jsonl").read_text()
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        assert (pid_of(root, "a"), domain.state()[0]) == (pid, PAUSED)
        domain.resume()
        domain.destroy()
    assert qemus(root) == []


def test_f08_a_watch_over_processes_that_died_is_restarted_and_misses_no_end(root: Path) -> None:
    """One guest ends while nobody watches, another after that: both are told, the third is as it was."""
    with opened(root) as conn, watching(conn.root) as events:
        domains = {name: conn.createXML(small(name)) for name in "abc"}
        pids = {name: pid_of(root, name) for name in domains}
        with faults.inject("actor.starting", faults.hang(), times=1, where={"actor": "processes"}) as hung:
            crash(conn.root, "processes")
            hung.wait()
            os.kill(pids["a"], signal.SIGKILL)
            wait_until(lambda: pids["a"] not in qemus(root))
            assert domains["c"].state()[0] == RUNNING
            assert events.fitting(lambda event: ended(event, "a")) == []
        events.wait(lambda event: ended(event, "a"))
        os.kill(pids["b"], signal.SIGKILL)
        events.wait(lambda event: ended(event, "b"))
        domains["c"].suspend()
        assert (domains["c"].state()[0], qemus(root)) == (PAUSED, [pids["c"]])
        domains["c"].destroy()


def ended(event: object, name: str) -> bool:
    """Whether it says that this guest was killed."""
    mine = isinstance(event, Lifecycle) and (event.name, event.event) == (name, STOPPED)
    return mine and "SIGKILL" in str(event)


def test_g16_a_definition_that_a_disk_does_not_take_leaves_other_guests_alone(root: Path) -> None:
    """Its fsync hangs: another guest is changed meanwhile, the root says io, and the driver is replaced."""
    limits = {"supervision.operation_limit": 1.0, "supervision.operation_grace": 0.5}
    with libvirt.open(uri(root), settings=limits) as conn, watching(conn.root) as events:
        running = conn.createXML(small("b"))
        with faults.inject("file.synced", faults.hang(), times=1, where={"path": "*/a.xml*"}) as hung:
            defined = began(lambda: conn.defineXML(small("a")))
            hung.wait()
            running.suspend()
            running.resume()
            told = events.wait(lambda event: isinstance(event, HealthChanged))[0]
            assert isinstance(told, HealthChanged)
            assert told.reasons == ("io: root/drivers/qemu waits for a disk",)
            assert conn.root.health().degraded == list(told.reasons)
            assert isinstance(defined.exception(30), libvirt.libvirtError)
            other = conn.defineXML(small("c"))  # by the successor
            running.suspend()
            assert running.state()[0] == PAUSED
        wait_until(lambda: conn.root.health().degraded == [])
        assert sorted(each.name() for each in conn.listAllDomains()) == ["b", "c"]
        assert sorted(path.name for path in (root / "etc/qemu").glob("*.xml*")) == ["c.xml"]
        other.undefine()
        running.destroy()
