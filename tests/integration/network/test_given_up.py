"""What a generation of the driver still does that was given up: nothing to what its successor serves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.drivers.network.backend import nftables
from guest.calls import began, threads
from guest.domain import give_up, wait_until
from guest.namespace import Namespace
from integration.network.conftest import network_xml

NAT = "<forward mode='nat'/>"


@contextmanager
def waiting(
    monkeypatch: pytest.MonkeyPatch, conn: libvirt.virConnect, name: str, call: Any
) -> Iterator[None]:
    """``call`` comes to that function of ``nftables``, is given up, and goes on after the ``with``."""
    reached, over = threading.Event(), threading.Event()
    function = getattr(nftables, name)

    def held(*arguments: Any) -> Any:
        result = function(*arguments)
        if not reached.is_set():
            reached.set()
            over.wait(30)
        return result

    monkeypatch.setattr(nftables, name, held)
    done = began(call)
    assert reached.wait(10)
    replaced(conn, done)
    yield
    over.set()
    wait_until(lambda: threads("network") == 1)


@contextmanager
def hanging(
    conn: libvirt.virConnect, call: Any, point: str, where: dict[str, str] | None = None
) -> Iterator[None]:
    """``call`` hangs at that fault point, is given up, and goes on after the ``with``."""
    with faults.inject(point, faults.hang(), times=1, where=where) as hung:
        done = began(call)
        hung.wait()
        replaced(conn, done)
        yield
        hung.release()
        wait_until(lambda: threads("network") == 1)


def replaced(conn: libvirt.virConnect, done: Future[Any]) -> None:
    """The actor is given up with what it does, and its successor is up."""
    give_up(conn.root, "drivers/network")
    assert isinstance(done.exception(30), libvirt.libvirtError)
    conn.networkLookupByName("net").setAutostart(0)


@pytest.mark.parametrize("where", ["_start", "_end"], ids=["before its rules go", "after"])
def test_a_stop_that_was_given_up_takes_nothing_of_the_network_that_was_started_again(
    conn: libvirt.virConnect, namespace: Namespace, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Not its bridge, nor its rules, nor its server's files."""
    network = conn.networkDefineXML(network_xml(more=NAT))
    network.create()
    with waiting(monkeypatch, conn, where, network.destroy):
        network.create()
        files = sorted(each.name for each in conn.root.paths.dnsmasq.iterdir())
        links, tables, servers = namespace.links(), namespace.tables(), namespace.programs("dnsmasq")
        assert servers
    assert sorted(each.name for each in conn.root.paths.dnsmasq.iterdir()) == files
    assert (sorted(namespace.links()), namespace.tables()) == (sorted(links), tables)
    assert namespace.programs("dnsmasq") == servers
    network.destroy()
    assert namespace.traces() == []


def test_a_server_that_was_given_up_with_its_start_is_ended(
    conn: libvirt.virConnect, namespace: Namespace
) -> None:
    """Nobody knows it: it would keep the next one from its sockets."""
    network = conn.networkDefineXML(network_xml())
    with hanging(conn, network.create, "process.spawning"):
        pass
    assert namespace.traces() == []
    network.create()
    network.destroy()


def test_files_of_a_server_are_not_written_by_a_start_that_was_given_up(
    conn: libvirt.virConnect, namespace: Namespace
) -> None:
    """They are those of the network as it is by then."""
    network = conn.networkDefineXML(network_xml())
    file = conn.root.paths.dnsmasq / "net.hostsfile"
    with hanging(conn, network.create, "file.created", {"path": str(file)}):
        host = "<host mac='52:54:00:11:11:11' ip='10.7.7.5'/>"
        uuid = f"<uuid>{network.UUIDString()}</uuid>"
        conn.networkDefineXML(network_xml(inside=host, more=uuid))
        network.create()
        content = file.read_text()
    assert "10.7.7.5" in content
    assert file.read_text() == content
    network.destroy()
    assert namespace.traces() == []


def test_an_update_that_was_given_up_leaves_the_servers_of_its_successor_alone(
    conn: libvirt.virConnect, namespace: Namespace
) -> None:
    """What it cannot finish it does not take back either."""
    network = conn.networkDefineXML(network_xml())
    network.create()
    conf = conn.root.paths.dnsmasq / "net.conf"
    add, section, live = (
        libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST,
        libvirt.VIR_NETWORK_SECTION_IP_DHCP_RANGE,
        libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE,
    )
    more = "<range start='10.7.7.210' end='10.7.7.220'/>"
    update = partial(network.update, add, section, 0, more, live)
    with hanging(conn, update, "file.written", {"path": str(conf)}):
        content, servers = conf.read_text(), namespace.programs("dnsmasq")
    assert len(servers) == 1
    assert (conf.read_text(), namespace.programs("dnsmasq")) == (content, servers)
    network.destroy()
    assert namespace.traces() == []
