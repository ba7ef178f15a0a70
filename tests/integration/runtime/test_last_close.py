"""Guests outlive the last close of their root, and the next open finds each as it is."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

import embervirt as libvirt
from guest.domain import SECONDS, crash, kill, pid_of, qemus, small, uri, wait_until, watching
from guest.host import Host


def test_e07_guests_outlive_the_last_close_and_are_found_as_they_are(root: Path) -> None:
    """Running, paused, gone by itself, ended behind our back: the reopened root says so, and why."""
    with libvirt.open(uri(root)) as conn:
        for name in ("running", "paused", "killed", "ended"):
            conn.defineXML(small(name)).create()
        conn.createXML(small("transient"))
        conn.lookupByName("paused").suspend()
        pids = {domain.name(): pid_of(root, domain.name()) for domain in conn.listAllDomains()}
        ids = {domain.name(): domain.ID() for domain in conn.listAllDomains()}
    kill(pids["killed"])
    ended = psutil.Process(pids["ended"])
    ended.terminate()
    ended.wait(SECONDS)
    with libvirt.open(uri(root)) as conn, watching(conn.root):
        found = {domain.name(): domain.state() for domain in conn.listAllDomains()}
        assert found == {
            "running": [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED],
            "paused": [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER],
            "transient": [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED],
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


def test_an_id_is_never_given_twice(root: Path) -> None:
    """Also not by who opens the root when the guests that had one are gone, with their files."""
    found = []
    for _ in range(3):
        with libvirt.open(uri(root)) as conn:
            domain = conn.createXML(small("a"))
            found.append(domain.ID())
            domain.destroy()
    assert found == [1, 2, 3]


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
        wait_until(lambda: [domain.name() for domain in conn.listAllDomains()] == ["other"])
        assert len(qemus(root)) == 1
        crash(conn.root, "guests/2-other")
        conn.lookupByName("other").destroy()


def test_a_guest_that_does_not_answer_is_never_started_twice(root: Path) -> None:
    """Stopped by a signal while nobody had it: the open ends, a start is refused, the next open finds it."""
    with libvirt.open(uri(root)) as conn:
        conn.defineXML(small("a")).create()
    pid = pid_of(root, "a")
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    with libvirt.open(uri(root), settings={"qemu.qmp_timeout": 0.5}) as conn:
        assert time.monotonic() - begun < SECONDS / 2  # and not when somebody lets it go on
        domain = conn.lookupByName("a")
        with pytest.raises(libvirt.libvirtError, match="domain is already running") as refused:
            domain.create()
        assert refused.value.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID
        assert qemus(root) == [pid]
        assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
    os.kill(pid, signal.SIGCONT)
    with libvirt.open(uri(root)) as conn:
        domain = conn.lookupByName("a")
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        domain.destroy()
    assert qemus(root) == []


GARBAGE = {"x": b"\0", "y": b"", "z": b"{}"}


def test_a_record_that_is_garbage_costs_one_guest(root: Path) -> None:
    """The driver opens, the other guests are there, and the garbage stays for whoever looks into it."""
    with libvirt.open(uri(root)) as conn:
        conn.defineXML(small("a")).create()
        conn.defineXML(small("b")).create()
    run = root / "run/qemu"
    for name, content in GARBAGE.items():
        (run / f"{name}.json").write_bytes(content)
    (run / "b.json").write_text((run / "b.json").read_text().replace("<domain type='qemu'>", "<nonsense>"))
    with libvirt.open(uri(root)) as conn:
        assert conn.lookupByName("a").state()[0] == libvirt.VIR_DOMAIN_RUNNING
        with pytest.raises(libvirt.libvirtError, match="domain is already running"):
            conn.lookupByName("b").create()
        conn.lookupByName("a").destroy()
        assert conn.createXML(small("c")).ID() > 2
        conn.lookupByName("c").destroy()
    assert {path.name for path in run.glob("*.json")} == {"b.json", "x.json", "y.json", "z.json"}
    assert len(qemus(root)) == 1
