"""Guests whose actors are in quarantine, or whose supervisor was restarted: their QEMUs never notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.drivers.driver import GUESTS
from embervirt.errors import Quarantined
from embervirt.supervisor.report import Node
from guest.domain import kill, pid_of, qemus, small, uri, wait_until


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Whatever runs in the end is killed."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)


def below(conn: libvirt.virConnect, group: str) -> dict[str, Node]:
    """The children of a supervisor of the root, by id."""
    (found,) = [node for node in conn.root.tree().children if node.id == group]
    return {node.id: node for node in found.children}


def all_up(conn: libvirt.virConnect) -> bool:
    """Every actor and supervisor."""
    return set(conn.root.health().states) == {"up"}


def test_d07_a_guest_whose_actor_is_in_quarantine_runs_on(root: Path) -> None:
    """Its actor fails at each start: calls fail at once and say so, others work, clear brings it back."""
    with libvirt.open(uri(root), settings={"supervision.guest_intensity": 2}) as conn:
        domain, other = (conn.createXML(small(name)) for name in ("a", "b"))
        pid, actor = pid_of(root, "a"), f"{domain.ID()}-a"
        with faults.inject("actor.starting", faults.crash(), where={"actor": f"guest/{domain.ID()}"}):
            conn.root.crash(f"guests/{actor}")
            wait_until(lambda: below(conn, "guests")[actor].state == "quarantined")
        assert "more than 2 restarts in 60 s" in below(conn, "guests")[actor].why
        assert conn.root.health().states["quarantined"] == 1
        with pytest.raises(Quarantined, match="is quarantined: more than 2 restarts"):
            domain.suspend()
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        other.suspend()
        assert other.state()[0] == libvirt.VIR_DOMAIN_PAUSED
        assert (pid_of(root, "a"), pid in qemus(root)) == (pid, True)
        conn.root.supervisor.clear((*GUESTS, actor))
        wait_until(lambda: below(conn, "guests")[actor].state == "up")
        domain.suspend()
        assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
        assert below(conn, "guests")[actor].failures == 0
        for each in (domain, other):
            each.destroy()
    assert qemus(root) == []


def test_f03_guests_come_back_with_their_supervisor_and_are_adopted(root: Path) -> None:
    """The drivers give up, so that they and all guests' actors start anew: the same QEMUs and states."""
    settings = {"supervision.driver_intensity": 1, "supervision.backoff_initial": 0.01}
    with libvirt.open(uri(root), settings=settings) as conn:
        domains = [conn.createXML(small(name)) for name in "abc"]
        domains[1].suspend()
        pids = [pid_of(root, each.name()) for each in domains]
        states = [each.state()[0] for each in domains]
        for n in range(2):
            before = below(conn, "drivers")["qemu"].generation
            conn.root.crash("drivers/qemu", RuntimeError(f"boom {n}"))
            wait_until(lambda before=before: below(conn, "drivers")["qemu"].generation > before)  # type: ignore[misc]
            wait_until(lambda: all_up(conn))
        generations = {node.id: node.generation for node in conn.root.tree().children}
        assert generations == {"events": 1, "processes": 1, "drivers": 2, "guests": 2}
        assert [node.generation for node in below(conn, "guests").values()] == [2, 2, 2]
        assert [pid_of(root, each.name()) for each in domains] == pids
        assert [each.state()[0] for each in domains] == states
        domains[1].resume()
        assert [each.state()[0] for each in domains] == [libvirt.VIR_DOMAIN_RUNNING] * 3
        for each in domains:
            each.destroy()
    assert qemus(root) == []
