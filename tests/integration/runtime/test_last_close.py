"""Guests outlive the last close of their root, and the next open finds each as it is."""

from __future__ import annotations

from pathlib import Path

import psutil

import embervirt as libvirt
from guest.domain import SECONDS, kill, pid_of, qemus, small, uri, watching
from guest.host import Host


def test_guests_outlive_the_last_close_and_are_found_as_they_are(root: Path) -> None:
    """Running, paused, gone by itself, ended behind our back: the reopened root says so, and why."""
    with libvirt.open(uri(root)) as conn:
        for name in ("running", "paused", "killed", "ended"):
            conn.defineXML(small(name)).create()
        conn.createXML(small("transient"))
        conn.lookupByName("paused").suspend()
        pids = {domain.name(): pid_of(root, domain.name()) for domain in conn.listAllDomains()}
        ids = {domain.name(): domain.ID() for domain in conn.listAllDomains()}
    kill(pids["killed"])
    psutil.Process(pids["ended"]).terminate()
    psutil.wait_procs([psutil.Process(pids["ended"])], SECONDS)
    with libvirt.open(uri(root)) as conn, watching(conn.root):
        found = {domain.name(): domain.state() for domain in conn.listAllDomains()}
        assert found == {
            "running": [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_UNKNOWN],
            "paused": [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER],
            "transient": [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_UNKNOWN],
            "killed": [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED],
            "ended": [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN],
        }
        assert conn.lookupByName("transient").isPersistent() == 0
        for name in ("running", "paused", "transient"):
            assert pid_of(root, name) == pids[name]
            assert conn.lookupByName(name).ID() == ids[name]
        later = conn.createXML(small("later"))
        assert later.ID() > max(ids.values())
        conn.lookupByName("paused").resume()
        for domain in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            domain.destroy()
    assert qemus(root) == []


def test_a_guest_with_autodestroy_ends_with_its_connection(root: Path) -> None:
    """Not with another one of the same root, and not a later run that was started without it."""
    flag = libvirt.VIR_DOMAIN_START_AUTODESTROY
    with libvirt.open(uri(root)) as keeper:
        conn = libvirt.open(uri(root))
        conn.createXML(small("own"), flag)
        again = conn.defineXML(small("again"))
        again.createWithFlags(flag)
        again.destroy()
        again.create()
        other = keeper.createXML(small("other"), flag)
        libvirt.open(uri(root)).close()
        assert len(keeper.listDomainsID()) == 3
        assert conn.close() == 1
        assert sorted(domain.name() for domain in keeper.listAllDomains()) == ["again", "other"]
        assert again.isActive() and other.isActive()
        keeper.lookupByName("again").destroy()
    assert qemus(root) == []


def test_a_guest_with_autodestroy_ends_when_its_program_was_killed(root: Path) -> None:
    """Its connection is gone for good, so the next open ends it; a guest without it goes on."""
    code = """
conn = libvirt.open(uri(ROOT))
conn.createXML(small("own"), libvirt.VIR_DOMAIN_START_AUTODESTROY)
conn.createXML(small("other"))
say(up=1)
sys.stdin.readline()
"""
    host = Host(root, code)
    host.hear()
    host.kill()
    assert len(qemus(root)) == 2
    with libvirt.open(uri(root)) as conn:
        assert [domain.name() for domain in conn.listAllDomains()] == ["other"]
        assert len(qemus(root)) == 1
        conn.root.crash("guests/2-other")
        conn.lookupByName("other").destroy()
