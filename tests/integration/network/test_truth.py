"""Networks outlive whoever looks after them, and what went missing meanwhile is made again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

import embervirt as libvirt
from embervirt import faults
from embervirt.drivers.network.backend import nftables
from embervirt.drivers.network.messages import NetworkDegraded, NetworkRecovered, PortUnplugged, Unplug
from guest.domain import SECONDS, crash, uri, wait_until, watching
from guest.namespace import Namespace
from integration.network.conftest import PROMPT, close, network_xml, plug

KILLS = 10
ROUTE = "<route address='10.99.0.0' prefix='16' gateway='10.7.7.9'/>"


@pytest.fixture
def network(conn: libvirt.virConnect) -> Iterator[libvirt.virNetwork]:
    """Active and defined."""
    made = conn.networkDefineXML(network_xml(more="<forward mode='nat'/>" + ROUTE))
    made.create()
    yield made
    if made.isActive():
        made.destroy()


def server(namespace: Namespace) -> psutil.Process | None:
    """The dnsmasq of the only network."""
    found = namespace.programs("dnsmasq")
    assert len(found) < 2
    return found[0] if found else None


def crashed(conn: libvirt.virConnect) -> None:
    """The driver's actor has died and its successor is up when this returns."""
    crash(conn.root, "drivers/network")
    conn.networkDefineXML("<network><name>probe</name></network>").undefine()


def test_a_network_is_the_same_after_its_actor_was_killed_ten_times(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork
) -> None:
    """The same link, the same process, and the guest's port is still there."""
    port, descriptors = plug(conn)
    before = namespace.links(), server(namespace), namespace.run("nft", "list", "ruleset")
    for _ in range(KILLS):
        crashed(conn)
        assert network.isActive() == 1 and [each.UUIDString() for each in network.listAllPorts()] == [port.id]
    after = namespace.links(), server(namespace), namespace.run("nft", "list", "ruleset")
    assert after[1:] == before[1:]
    assert {name: link["ifindex"] for name, link in after[0].items()} == {
        name: link["ifindex"] for name, link in before[0].items()
    }
    close(descriptors)


def test_closing_a_root_leaves_networks_up(namespace: Namespace, tmp_path: Path) -> None:
    """The next opening finds them as they were, defined or not."""
    with libvirt.open(uri(tmp_path / "root", "network")) as conn:
        network = conn.networkCreateXML(network_xml())
        bridge, process = network.bridgeName(), server(namespace)
    assert bridge in namespace.links() and server(namespace) == process
    with libvirt.open(uri(tmp_path / "root", "network")) as conn:
        network = conn.networkLookupByName("net")
        assert (network.isActive(), network.isPersistent(), network.bridgeName()) == (1, 0, bridge)
        assert server(namespace) == process
        network.destroy()
    assert namespace.traces() == []


PROGRAM = """
import os, sys
import embervirt as libvirt
conn = libvirt.open(sys.argv[1])
network = conn.networkDefineXML(sys.argv[2])
network.create()
os.kill(os.getpid(), 9)
"""


def killed(root: Path, more: str = "") -> None:
    """A program that starts a network and is killed; ``more``: faults in it."""
    environment = {**os.environ, **({faults.VARIABLE: more} if more else {})}
    xml = network_xml(more="<forward mode='nat'/>" + ROUTE)
    argv = [sys.executable, "-c", PROGRAM, uri(root, "network"), xml]
    done = subprocess.run(argv, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_after_kill_9_what_is_missing_is_made_again(namespace: Namespace, tmp_path: Path) -> None:
    """Bridge, address, route, rules and server, each taken away while nobody looked."""
    root = tmp_path / "root"
    killed(root)
    (bridge,) = namespace.links()
    before = server(namespace)
    assert before is not None
    namespace.run("nft", "flush", "ruleset")
    namespace.run("ip", "link", "del", bridge)
    with libvirt.open(uri(root, "network")) as conn:
        network = conn.networkLookupByName("net")
        assert (network.isActive(), network.bridgeName(), list(namespace.links())) == (1, bridge, [bridge])
        assert namespace.addresses(bridge) == ["10.7.7.1/24"]
        assert "10.99.0.0/16 via 10.7.7.9" in namespace.run("ip", "route")
        assert "masquerade" in namespace.run("nft", "list", "ruleset")
    after = server(namespace)
    assert after is not None
    after.kill()
    after.wait(SECONDS)
    with libvirt.open(uri(root, "network")) as conn:
        assert server(namespace) not in (None, after)
        conn.networkLookupByName("net").destroy()
    assert namespace.traces() == []


@pytest.mark.parametrize(
    "point",
    [
        "journal.mark=kill",
        "journal.mark=kill@2",
        "process.spawning[program=*setpriv]=kill",
        "process.spawned=kill",
        "file.renamed[path=*/run/network/net.json]=kill@2",
    ],
)
def test_a_process_that_dies_in_the_middle_of_a_start_leaves_nothing_after_the_next_opening(
    namespace: Namespace, tmp_path: Path, point: str
) -> None:
    """Half a bridge, or a server that nobody recorded: the next opening takes it down."""
    root = tmp_path / "root"
    killed(root, point)
    with libvirt.open(uri(root, "network")) as conn:
        network = conn.networkLookupByName("net")
        assert (network.isActive(), namespace.traces()) == (0, [])
        network.create()
        network.destroy()
    assert namespace.traces() == []


@pytest.mark.parametrize(
    ("point", "where"),
    [
        ("process.spawning", {"program": "*setpriv"}),
        ("process.spawned", {}),
        ("journal.mark", {}),
        ("file.renamed", {"path": "*/run/network/net.json"}),
        ("file.renamed", {"path": "*/lib/dnsmasq/net.conf"}),
        ("journal.result", {}),
    ],
)
def test_an_actor_that_dies_in_the_middle_of_a_start_leaves_all_or_nothing(
    conn: libvirt.virConnect, namespace: Namespace, point: str, where: dict[str, str]
) -> None:
    """Its successor finishes it or takes it down, and the state that is shown is the true one."""
    network = conn.networkDefineXML(network_xml())
    with faults.inject(point, faults.crash(), times=1, where=where) as injected:
        with pytest.raises(libvirt.libvirtError):
            network.create()
        assert injected.hits == 1
    conn.networkDefineXML("<network><name>probe</name></network>").undefine()
    if network.isActive():
        assert network.bridgeName() in namespace.links() and server(namespace) is not None
    else:
        assert namespace.traces() == []
        network.create()
    network.destroy()
    assert namespace.traces() == []


def test_a_stop_that_was_cut_short_is_finished(conn: libvirt.virConnect, namespace: Namespace) -> None:
    """By the next generation."""
    network = conn.networkDefineXML(network_xml())
    network.create()
    with (
        faults.inject("file.removed", faults.crash(), times=1, where={"path": "*/run/network/net.json"}),
        pytest.raises(libvirt.libvirtError),
    ):
        network.destroy()
    conn.networkDefineXML("<network><name>probe</name></network>").undefine()
    assert (network.isActive(), namespace.traces()) == (0, [])


def test_i11_a_server_that_dies_again_is_started_after_a_delay_that_grows(
    namespace: Namespace, tmp_path: Path
) -> None:
    """At once after its first death, then as the settings say, however often; the network stays active."""
    delays = {"backoff_initial": 0.2, "backoff_factor": 3, "backoff_jitter": 0}
    settings = {f"supervision.{name}": value for name, value in delays.items()}
    took: list[float] = []
    with libvirt.open(uri(tmp_path / "root", "network"), settings=settings) as conn:
        network = conn.networkCreateXML(network_xml())
        for _ in range(4):
            process = server(namespace)
            assert process is not None
            with watching(conn.root) as events:
                died = time.monotonic()
                process.kill()
                (fell,) = events.wait(lambda each: isinstance(each, NetworkDegraded))
                assert isinstance(fell, NetworkDegraded) and "SIGKILL" in fell.why
                assert network.isActive()
                events.wait(lambda each: isinstance(each, NetworkRecovered))
                took.append(time.monotonic() - died)
            assert server(namespace) not in (None, process)
        assert all(each >= wait for each, wait in zip(took[1:], (0.2, 0.6, 1.8), strict=True)), took
        assert took[0] < 1.8
        network.destroy()


def test_a_server_that_dies_is_started_again(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork
) -> None:
    """As often as it dies; that it was down is told, and that it works again."""
    for count in range(1, 5):
        process = server(namespace)
        assert process is not None
        with watching(conn.root) as events:
            process.kill()
            (fell,) = events.wait(lambda each: isinstance(each, NetworkDegraded))
            events.wait(lambda each: isinstance(each, NetworkRecovered))
        assert isinstance(fell, NetworkDegraded) and "SIGKILL" in fell.why, count
        assert server(namespace) not in (None, process)
        assert conn.networkLookupByName("net").isActive()


def test_a_port_goes_with_its_tap(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork
) -> None:
    """Whether QEMU ended while somebody looked or not."""
    port, descriptors = plug(conn)
    with watching(conn.root) as events:
        close(descriptors)
        (gone,) = events.wait(lambda each: isinstance(each, PortUnplugged))
    assert isinstance(gone, PortUnplugged) and (gone.port, gone.tap) == (port.id, port.tap)
    assert network.listAllPorts() == []


def test_a_macvtap_goes_when_its_guest_ended_while_nobody_looked(
    namespace: Namespace, tmp_path: Path
) -> None:
    """The kernel keeps it, as it does not with a tap; one that a guest has open stays."""
    namespace.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
    with libvirt.open(uri(tmp_path / "root", "network")) as conn:
        kept, kept_open = plug(conn, "up0", type="direct", mode="bridge", mac="52:54:00:00:00:01")
        ended, ended_open = plug(conn, "up0", type="direct", mode="bridge", mac="52:54:00:00:00:02")
    close(ended_open)
    assert {kept.tap, ended.tap} <= set(namespace.links())
    with libvirt.open(uri(tmp_path / "root", "network")) as conn:
        assert kept.tap in namespace.links() and ended.tap not in namespace.links()
        conn.root.call("network", Unplug(kept.id))
    close(kept_open)
    assert sorted(namespace.links()) == ["up0", "up1"]
    assert list((tmp_path / "root/run/network/ports").iterdir()) == []


def test_ports_are_joined_again_when_the_bridge_had_gone(namespace: Namespace, tmp_path: Path) -> None:
    """A guest's tap that was in it is in the new one."""
    with libvirt.open(uri(tmp_path / "root", "network"), settings=PROMPT) as conn:
        network = conn.networkCreateXML(network_xml())
        bridge = network.bridgeName()
        port, descriptors = plug(conn)
    namespace.run("ip", "link", "del", bridge)
    with libvirt.open(uri(tmp_path / "root", "network"), settings=PROMPT) as conn:
        assert namespace.links()[port.tap]["master"] == bridge
        assert [each.UUIDString() for each in conn.networkLookupByName("net").listAllPorts()] == [port.id]
        conn.networkLookupByName("net").destroy()
        close(descriptors)
        wait_until(lambda: namespace.traces() == [])


def test_many_networks_get_their_rules_again_at_once(
    namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An opening runs nft once for all, for each run takes as long as all else of a network."""
    with libvirt.open(uri(tmp_path / "root", "network")) as conn:
        for number in range(5):
            network = network_xml(f"n{number}", f"10.7.{number}.1", "<forward mode='nat'/>")
            conn.networkCreateXML(network)
    before = namespace.run("nft", "list", "ruleset")
    namespace.run("nft", "flush", "ruleset")
    runs, applying = [], nftables.applying

    def counted(ruleset: str, may: Callable[[], None]) -> AbstractContextManager[None]:
        runs.append(ruleset)
        return applying(ruleset, may)

    monkeypatch.setattr(nftables, "applying", counted)
    with libvirt.open(uri(tmp_path / "root", "network")) as conn:
        assert len(runs) == 1
        assert sorted(namespace.run("nft", "list", "ruleset")) == sorted(before)
        for each in conn.listAllNetworks():
            each.destroy()
    assert namespace.traces() == []


def test_a_bridge_that_somebody_removes_is_made_again(
    conn: libvirt.virConnect, namespace: Namespace, network: libvirt.virNetwork
) -> None:
    """While the root is open; its guests are in it again."""
    bridge = network.bridgeName()
    port, descriptors = plug(conn)
    with watching(conn.root) as events:
        namespace.run("ip", "link", "del", bridge)
        (fell,) = events.wait(lambda each: isinstance(each, NetworkDegraded))
        events.wait(lambda each: isinstance(each, NetworkRecovered))
    assert isinstance(fell, NetworkDegraded) and (fell.what, bridge in fell.why) == ("bridge", True)
    assert namespace.links()[port.tap]["master"] == bridge
    assert namespace.addresses(bridge) == ["10.7.7.1/24"] and "10.99.0.0/16" in namespace.run("ip", "route")
    close(descriptors)


def test_the_journal_tells_what_became_of_a_start(
    conn: libvirt.virConnect, network: libvirt.virNetwork
) -> None:
    """Also when the actor died with it: done or undone, as it is."""
    operations = [each for each in conn.root.journal.values() if each.subject == network.UUIDString()]
    assert [(each.what, each.state) for each in operations] == [("network-start", "done")]
    network.destroy()
    with (
        faults.inject("journal.mark", faults.crash(), times=1, where={"step": "joined"}),
        pytest.raises(libvirt.libvirtError),
    ):
        network.create()
    conn.networkDefineXML("<network><name>probe</name></network>").undefine()
    last = [each for each in conn.root.journal.values() if each.subject == network.UUIDString()][-1]
    assert (last.what, last.state, network.isActive()) == ("network-start", "undone", 0)
