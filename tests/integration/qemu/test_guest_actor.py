"""The actor of a guest: over its restarts, the sessions of its monitor, and the reboots of its guest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.drivers.qemu.actor.link import Link
from embervirt.drivers.qemu.messages import Degraded, Lifecycle, Query, Rebooted, Recovered
from guest.domain import Console, kill, linux, pid_of, qemus, small, uri, wait_until, watching
from guest.image import READY, ensure
from guest.qmp import Client

RUNNING, PAUSED = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED
STATUS = '{"execute": "query-status"}'


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Not made yet; guests that a test leaves running are ended after it."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)


def test_m06_an_event_of_a_qemu_that_is_gone_is_dropped_and_counted(
    embervirt_connection: libvirt.virConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an earlier run of the domain, and of an earlier session with the same QEMU."""
    sessions: list[tuple[Link, Any]] = []
    callbacks = Link.callbacks

    def noted(link: Link) -> Any:
        sessions.append((link, callbacks(link)))
        return sessions[-1][1]

    monkeypatch.setattr(Link, "callbacks", noted)
    domain = embervirt_connection.defineXML(small("a"))
    domain.create()
    domain.destroy()
    domain.create()
    with watching(embervirt_connection.root) as events:
        (first, (emit_first, _)), (second, (emit_second, _)) = sessions
        fence = first._actor.context.fence
        wait_until(fence.refuses)
        refused = fence.refused
        emit_first({"event": "STOP"})
        assert fence.refused == refused + 1
        with faults.inject("qmp.sent", faults.cut(), times=1), pytest.raises(libvirt.libvirtError):
            domain.suspend()
        events.wait(lambda event: isinstance(event, Recovered))
        emit_second({"event": "STOP"})
        assert '"running"' in domain._call(Query(STATUS))
        assert (second.stale, domain.state()[0]) == (1, RUNNING)
        assert events.fitting(lambda event: isinstance(event, Lifecycle)) == []
    domain.destroy()


@pytest.mark.usefixtures("patient")
def test_d07_a_quarantined_guests_actor_leaves_its_guest_running(root: Path) -> None:
    """Its actor fails at each start: the guest runs, calls to it are refused, other domains work."""
    settings = {"supervision.guest_intensity": 2, "supervision.backoff_initial": 0.01}
    with libvirt.open(uri(root), settings=settings) as conn:
        held, other = (conn.defineXML(small(name)) for name in ("held", "other"))
        held.create()
        other.create()
        pid, path = pid_of(root, "held"), f"guests/{held.ID()}-held"
        with faults.inject("actor.starting", faults.crash(), where={"actor": f"guest/{held.ID()}"}):
            conn.root.crash(path)
            wait_until(lambda: state_of(conn, path) == "quarantined")
            with pytest.raises(libvirt.libvirtError, match="quarantined"):
                held.suspend()
            assert (psutil.pid_exists(pid), held.state()[0]) == (True, RUNNING)
            other.suspend()
            other.resume()
            assert other.messages() == []
        conn.root.supervisor.clear(("root", *path.split("/")))
        wait_until(lambda: state_of(conn, path) == "up")
        held.suspend()
        assert pid_of(root, "held") == pid
        held.destroy()
        other.destroy()


def state_of(conn: libvirt.virConnect, path: str) -> str:
    """Of a child in the tree."""
    node = conn.root.tree()
    for id_ in path.split("/"):
        node = next(child for child in node.children if child.id == id_)
    return node.state


def test_m04_what_changed_while_the_monitor_was_lost_is_told_once(root: Path) -> None:
    """Another client pauses the guest meanwhile: one event, as reconciled, and nothing of the other guest."""
    with libvirt.open(uri(root)) as conn:
        domain = conn.defineXML(small("a"))
        domain.create()
        conn.defineXML(small("b")).create()
        where = {"command": "query-name"}
        with watching(conn.root) as events, faults.inject("qmp.sent", faults.cut(), times=1, where=where):
            client = Client(root / "lib/qemu/domain-1-a/monitor.sock")  # it is the next to be served
            with pytest.raises(libvirt.libvirtError):
                domain._call(Query('{"execute": "query-name"}'))
            client.negotiate().value("stop")
            events.wait(lambda event: isinstance(event, Degraded))
            client.close()
            events.wait(lambda event: isinstance(event, Recovered))
            told = events.fitting(lambda event: isinstance(event, Lifecycle))
            assert [(each.name, each.event, each.why) for each in told if isinstance(each, Lifecycle)] == [
                ("a", 3, "reconciled: it was found so")
            ]
        assert domain.state() == [PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER]
        domain.resume()
        domain.destroy()
        conn.lookupByName("b").destroy()


def test_m09_the_reboot_of_a_linux_guest_is_one_event_and_no_stop(root: Path) -> None:
    """Its kernel boots twice, in one QEMU."""
    ensure()
    with libvirt.open(uri(root)) as conn, watching(conn.root) as events:
        domain = conn.createXML(linux("a"))
        console, pid = Console(root, "a"), pid_of(root, "a")
        first = console.until(READY)
        domain._call(Query('{"execute": "system_reset"}'))
        console.until(READY, after=len(first))
        assert len(events.wait(lambda event: isinstance(event, Rebooted))) == 1
        told = events.fitting(lambda event: isinstance(event, Lifecycle))
        assert [each.event for each in told if isinstance(each, Lifecycle)] == [2]
        assert (pid_of(root, "a"), domain.state()[0]) == (pid, RUNNING)
        domain.destroy()
