"""A network's ruleset does to real packets what it says: of a guest, the host, somebody outside."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from embervirt.drivers.network.backend import nftables as nft
from embervirt.drivers.network.model import Network
from embervirt.drivers.network.render import firewall
from embervirt.drivers.xml import parse
from guest.domain import SECONDS
from guest.namespace import Namespace, somebody, within

TABLE = "embervirt-00000000-net"
GUEST, BRIDGE, UPLINK, OUTSIDE, POOL = "10.7.7.5", "10.7.7.1", "192.0.2.1", "192.0.2.2", "192.0.2.77"
IP = f"<ip address='{BRIDGE}' netmask='255.255.255.0'/>"
EPHEMERAL = range(1024, 65536)


@dataclass
class World:
    """Namespaces of a guest and of somebody outside, each behind a link of this one."""

    guest: int
    outside: int

    def network(self, more: str) -> None:
        """The rules of one on the bridge."""
        made = parse(Network, f"<network><name>net</name><bridge name='br0'/>{more}{IP}</network>")
        nft.apply(firewall.ruleset(made, TABLE))

    @contextmanager
    def talk(
        self, at: int, asked: int, address: str, port: int = 4000
    ) -> Iterator[tuple[socket.socket, socket.socket]]:
        """A socket of ``at`` that is connected to one of ``asked``, which is bound; 0 is the host."""
        with ExitStack() as stack:
            with within(asked):
                server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                server.bind((address, port))
            with within(at):
                client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                client.connect((address, port))
            server.settimeout(SECONDS)
            client.settimeout(SECONDS)
            yield client, server

    def seen_as(self, at: int, asked: int, address: str, port: int = 4000) -> tuple[str, int]:
        """Who a packet seems to come from; its answer comes back."""
        with self.talk(at, asked, address, port) as (client, server):
            client.send(b"question")
            data, sender = server.recvfrom(100)
            assert data == b"question"
            server.sendto(b"answer", sender)
            assert client.recv(100) == b"answer"
            return str(sender[0]), int(sender[1])

    def refused(self, at: int, asked: int, address: str) -> bool:
        """A packet is answered by an error at once."""
        with self.talk(at, asked, address) as (client, _):
            client.send(b"question")
            with pytest.raises(ConnectionRefusedError):
                client.recv(100)
            return True


@pytest.fixture
def world(namespace: Namespace) -> Iterator[World]:
    """The host forwards, and has a bridge for the guest and a link to the outside."""
    run = namespace.run
    with somebody() as guest, somebody() as outside:
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        run("ip", "link", "add", "br0", "type", "bridge")
        run("ip", "addr", "add", f"{BRIDGE}/24", "dev", "br0")
        for pid, near, far in ((guest, "tap0", "eth0"), (outside, "up0", "eth0")):
            run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", str(pid))
            run("ip", "link", "set", near, "up")
        run("ip", "link", "set", "tap0", "master", "br0")
        run("ip", "link", "set", "br0", "up")
        run("ip", "addr", "add", f"{UPLINK}/24", "dev", "up0")
        for pid, address, gateway in ((guest, GUEST, BRIDGE), (outside, OUTSIDE, UPLINK)):
            there = ("nsenter", "--target", str(pid), "--net", "ip")
            run(*there, "addr", "add", f"{address}/24", "dev", "eth0")
            run(*there, "link", "set", "eth0", "up")
            run(*there, "route", "add", "default", "via", gateway)
        yield World(guest, outside)


def test_behind_nat_guests_are_seen_as_the_host(world: World) -> None:
    """Their packets leave from a port of any but a server's, answers come back, and nobody reaches them."""
    world.network("<forward mode='nat'/>")
    address, port = world.seen_as(world.guest, world.outside, OUTSIDE)
    assert address == UPLINK and port in EPHEMERAL
    assert world.refused(world.outside, world.guest, GUEST)


def test_nat_is_to_the_addresses_and_ports_that_the_network_names(world: World, namespace: Namespace) -> None:
    """The range of both."""
    namespace.run("ip", "addr", "add", f"{POOL}/24", "dev", "up0")
    ranges = f"<nat><address start='{POOL}' end='{POOL}'/><port start='5000' end='5009'/></nat>"
    world.network(f"<forward mode='nat' dev='up0'>{ranges}</forward>")
    address, port = world.seen_as(world.guest, world.outside, OUTSIDE)
    assert address == POOL and port in range(5000, 5010)


def test_an_isolated_guest_reaches_nobody_outside_and_nobody_reaches_it(world: World) -> None:
    """Both are told at once, and no packet arrives."""
    world.network("")
    assert world.refused(world.guest, world.outside, OUTSIDE)
    assert world.refused(world.outside, world.guest, GUEST)


@pytest.mark.parametrize("mode", ["", "<forward mode='nat'/>", "<forward mode='route'/>"])
@pytest.mark.parametrize("port", [53, 67, 69])
def test_guests_reach_the_servers_of_their_network(world: World, mode: str, port: int) -> None:
    """Names, addresses, files; and are answered."""
    world.network(mode)
    assert world.seen_as(world.guest, 0, BRIDGE, port)[0] == GUEST


def test_a_routed_guest_is_seen_as_itself_and_can_be_reached(world: World) -> None:
    """Both ways."""
    world.network("<forward mode='route'/>")
    assert world.seen_as(world.guest, world.outside, OUTSIDE)[0] == GUEST
    assert world.seen_as(world.outside, world.guest, GUEST)[0] == OUTSIDE


def test_only_the_named_link_is_a_way_out(world: World) -> None:
    """A guest that is forwarded to another link reaches nobody on this one."""
    world.network("<forward mode='route' dev='lo'/>")
    assert world.refused(world.guest, world.outside, OUTSIDE)


def test_a_network_that_changes_or_stops_leaves_nothing_of_its_rules(world: World) -> None:
    """A ruleset replaces the one before; none is left behind."""
    world.network("")
    world.network("<forward mode='nat'/>")
    assert world.seen_as(world.guest, world.outside, OUTSIDE)[0] == UPLINK
    nft.apply(firewall.gone(TABLE))
    assert nft.tables() == set()
    assert world.seen_as(world.guest, world.outside, OUTSIDE)[0] == GUEST
