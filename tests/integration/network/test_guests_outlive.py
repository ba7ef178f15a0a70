"""Linux guests of two roots in one namespace: they and their networks outlive whoever manages them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from lxml import etree

import embervirt as libvirt
from guest.domain import has_ended, uri, wait_until
from guest.host import Host
from guest.image import ensure
from guest.namespace import Namespace, entered
from integration.network.conftest import PROMPT, network_xml
from integration.network.outside import LEASE, UPLINK, Guest, Outside, boot, booted, card, outside

NAT = "<forward mode='nat'/>"
RESERVED = "<host mac='52:54:00:00:00:11' name='{}' ip='{}'/>"
OPEN = """
networks, conn = libvirt.open(uri(ROOT, "network")), libvirt.open(uri(ROOT))
network = networks.networkLookupByName("net")
ports = [each.UUIDString() for each in network.listAllPorts()]
say(active=network.isActive(), bridge=network.bridgeName(), ports=ports, guests=len(conn.listAllDomains()))
sys.stdin.readline()
"""


class Side:
    """A root with the network ``net`` and a guest on it, open or not."""

    def __init__(self, path: Path, name: str, address: str) -> None:
        self.path, self.name, self.address = path, name, address
        self.reserved = f"{address}1"
        self._open = ExitStack()

    def open(self) -> None:
        """Both drivers."""
        self.networks = self._open.enter_context(libvirt.open(uri(self.path, "network"), settings=PROMPT))
        self.conn = self._open.enter_context(libvirt.open(uri(self.path), settings=PROMPT))
        self.hash8 = self.conn.root.paths.hash8

    def close(self) -> None:
        """The guest runs on."""
        self._open.close()

    def begin(self) -> None:
        """Network and guest; both roots' have the same names and MAC addresses."""
        inside = RESERVED.format(self.name, self.reserved)
        self.networks.networkCreateXML(network_xml("net", self.address, NAT, inside=inside))
        boot(self.conn, self.name, card("net", "11", "<filterref filter='clean-traffic'/>"))

    @property
    def network(self) -> libvirt.virNetwork:
        """While it is open."""
        return self.networks.networkLookupByName("net")

    def tap(self) -> str:
        """Of the guest."""
        found = etree.fromstring(self.conn.lookupByName(self.name).XMLDesc(0))
        return found.findall(".//interface/target")[0].get("dev", "")


@dataclass(frozen=True)
class World:
    """Two roots that run side by side, with their guests; both are open at first."""

    here: Namespace
    outside: Outside
    one: Side
    two: Side
    guests: tuple[Guest, Guest]

    def server(self, side: Side) -> psutil.Process:
        """The dnsmasq of its network."""
        (mine,) = self.here.programs("dnsmasq", of=str(side.path))
        return mine


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both guests boot at once."""
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    ensure()  # here, for what it may have to fetch cannot be reached from there
    place = tmp_path_factory.mktemp("roots")
    sides = Side(place / "one", "one", "10.7.7.1"), Side(place / "two", "two", "10.7.6.1")
    with entered() as here, outside(here) as there, ExitStack() as end:
        for each in sides:
            end.callback(each.close)
            each.open()
            each.begin()
        one, two = (booted(each.conn, each.name) for each in sides)
        yield World(here, there, *sides, (one, two))


def test_two_roots_are_side_by_side(world: World) -> None:
    """Same names and MAC addresses, and nothing of one is the other's; what cannot be twice is refused."""
    assert [each.address() for each in world.guests] == ["10.7.7.11", "10.7.6.11"]
    assert world.one.network.bridgeName() != world.two.network.bridgeName()
    assert world.one.tap() != world.two.tap()
    for side, guest, other in zip((world.one, world.two), world.guests, ("two", "one"), strict=True):
        assert side.reserved in guest.shell.ask(f"nslookup {side.name}")
        assert "Address: 10.7" not in guest.shell.ask(f"nslookup {other}")
        assert [each["hostname"] for each in side.network.DHCPLeases()] == [side.name]
    bridge = world.one.network.bridgeName()
    with pytest.raises(libvirt.libvirtError, match=rf"{bridge}"):
        world.two.networks.networkCreateXML(network_xml("again", "10.7.7.1"))
    named = f"<network><name>again</name><bridge name='{bridge}'/></network>"
    with pytest.raises(libvirt.libvirtError, match=rf"{bridge}"):
        world.two.networks.networkCreateXML(named)
    with (
        world.outside.talk(world.guests[0], 4000) as one,
        world.outside.talk(world.guests[1], 4001) as two,
    ):
        assert (one.goes_on(), two.goes_on(), one.peer, two.peer) == (True, True, UPLINK, UPLINK)


def test_networks_outlive_a_close_and_a_kill_and_are_repaired(world: World) -> None:
    """The guest's connection goes on through all of it; the other root's guest notices nothing."""
    (guest, other), side = world.guests, world.one
    bridge, tap, dnsmasq = side.network.bridgeName(), side.tap(), world.server(side)
    ports = [each.UUIDString() for each in side.network.listAllPorts()]
    with world.outside.talk(guest, 4002) as talk, world.outside.talk(other, 4003) as beside:
        links = set(world.here.links())
        side.close()
        assert talk.goes_on() and set(world.here.links()) == links
        host = Host(side.path, OPEN)
        assert host.hear() == {"active": 1, "bridge": bridge, "ports": ports, "guests": 1}
        assert talk.goes_on() and world.server(side) == dnsmasq
        host.kill()
        assert talk.goes_on()
        damage(world, bridge, tap)
        side.open()
        assert talk.goes_on() and beside.goes_on()
    assert (side.network.isActive(), side.tap()) == (1, tap)
    assert [each.UUIDString() for each in side.network.listAllPorts()] == ports
    assert world.here.addresses(bridge) == ["10.7.7.1/24"]
    assert world.here.links()[tap]["master"] == bridge
    assert world.server(side) != dnsmasq
    assert sum(tap in each for each in world.here.tables()) == 1
    with world.outside.talk(guest, 4004) as talk:
        assert (talk.goes_on(), talk.peer) == (True, UPLINK)
    assert "lease of 10.7.7.11 obtained" in guest.shell.ask(f"{LEASE.format('eth0')} 2>&1")
    assert "10.7.7.11" in guest.shell.ask("nslookup one")


def damage(world: World, bridge: str, tap: str) -> None:
    """What is the first root's, behind its back: rules, address, server, the guest's place and filter."""
    run, hash8 = world.here.run, world.one.hash8
    mine = [each.split() for each in world.here.tables() if hash8 in each]
    assert len(mine) == 2
    for table in mine:
        run("nft", "delete", *table)
    run("ip", "addr", "del", "10.7.7.1/24", "dev", bridge)
    run("ip", "link", "set", tap, "nomaster")
    server = world.server(world.one)
    server.kill()
    wait_until(lambda: has_ended(server))


def test_the_end_of_one_root_leaves_the_other_alone(world: World) -> None:
    """And that of both nothing at all; the last test of this module."""
    with world.outside.talk(world.guests[1], 4005) as talk:
        end(world.one)
        assert talk.goes_on()
        (bridge,) = [each for each in world.here.links() if each.startswith("eb")]
        assert bridge == world.two.network.bridgeName()
    end(world.two)
    wait_until(lambda: world.here.traces() == ["up0"])


def end(side: Side) -> None:
    """Of its guest, its network and all files of them."""
    side.conn.lookupByName(side.name).destroy()
    network = side.network
    wait_until(lambda: network.listAllPorts() == [])
    network.destroy()
    left = {each.name for name in ("run/network", "lib/dnsmasq") for each in (side.path / name).rglob("*.*")}
    assert left == set()
