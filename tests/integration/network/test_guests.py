"""Linux guests on real networks: what each gets, whom it reaches, and who reaches it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from lxml import etree

import embervirt as libvirt
from embervirt.drivers.network.messages import NetworkRecovered
from guest.domain import SECONDS, crash, opened, uri, wait_until, watching
from guest.image import ensure
from guest.namespace import Namespace, entered
from integration.network.conftest import PROMPT
from integration.network.outside import (
    LEASE,
    OUTSIDE,
    UPLINK,
    Guest,
    Outside,
    boot,
    booted,
    card,
    outside,
    reaches,
)

KILLS = 10
DEATHS = 3
ADDRESS = re.compile(r"lease of (\S+) obtained")
LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 6
CLEAN = "<filterref filter='clean-traffic'/>"
SLOW = "<bandwidth><inbound average='100' burst='16'/></bandwidth>"
SIZE = 200_000
"""Bytes that take two seconds at that speed, and none without."""


def network(name: str, subnet: str, forward: str, *hosts: str, more: str = "") -> str:
    """On 10.7.SUBNET.0/24; ``hosts``: ends of MAC addresses and of addresses, names behind."""
    reserved = "".join(
        f"<host mac='52:54:00:00:00:{last}' name='{host}' ip='10.7.{subnet}.{last}'/>"
        for last, host in (each.split() for each in hosts)
    )
    dhcp = f"<dhcp><range start='10.7.{subnet}.100' end='10.7.{subnet}.200'/>{reserved}</dhcp>"
    ip = f"<ip address='10.7.{subnet}.1' netmask='255.255.255.0'>{dhcp}</ip>"
    domain = f"<domain name='{name}.test' localOnly='yes'/>"
    return f"<network><name>{name}</name>{forward}{domain}{ip}{more}</network>"


IPV6 = "<ip family='ipv6' address='fd07::1' prefix='64'/>"
NETWORKS = (
    network(
        "nat",
        "7",
        "<forward mode='nat'/>",
        "11 a",
        "12 b",
        more="<ip family='ipv6' address='fd07::1' prefix='64'/>",
    ),
    network("way", "8", "<forward mode='route'/>", "13 c"),
    network("lone", "9", "", "14 d"),
)


@dataclass(frozen=True)
class World:
    """Networks ``nat`` with the Linux guests a and b, ``way`` with c, ``lone`` with d, and the outside."""

    conn: libvirt.virConnect
    networks: libvirt.virConnect
    here: Namespace
    outside: Outside
    guests: dict[str, Guest]

    def __getitem__(self, name: str) -> Guest:
        return self.guests[name]

    def links(self) -> set[str]:
        """Names."""
        return set(self.here.links())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All of them run at once, for a boot takes seconds."""
    if os.geteuid():
        pytest.skip("a network namespace needs root")
    ensure()  # here, for what it may have to fetch cannot be reached from there
    root = tmp_path_factory.mktemp("guests") / "root"
    with (
        entered() as here,
        outside(here) as there,
        libvirt.open(uri(root, "network"), settings=PROMPT) as networks,
        opened(root) as conn,
    ):
        for xml in NETWORKS:
            networks.networkCreateXML(xml)
        queues = "<driver queues='2'/><mtu size='1380'/>"
        boot(conn, "a", PORTS + card("nat", "11", queues), vcpus=2)
        boot(conn, "b", card("nat", "12", CLEAN + SLOW))
        boot(conn, "c", card("way", "13"))
        boot(conn, "d", card("lone", "14"))
        guests = {name: booted(conn, name) for name in "abcd"}
        for each in guests.values():
            each.address()
            each.serve()
        yield World(conn, networks, here, there, guests)


def tap(guest: Guest, last: str) -> str:
    """Of its card whose MAC address ends so."""
    cards = etree.fromstring(guest.domain.XMLDesc(0)).findall(".//interface")
    (one,) = [each for each in cards if each.findall("mac")[0].get("address", "").endswith(last)]
    return one.findall("target")[0].get("dev", "")


def test_guests_have_their_reserved_addresses_and_each_others_names(world: World) -> None:
    """By DHCP, and shown as leases; the network's own domain is theirs; IPv6 comes by advertisement."""
    assert [world[name].address() for name in "abcd"] == ["10.7.7.11", "10.7.7.12", "10.7.8.13", "10.7.9.14"]
    leases = world.networks.networkLookupByName("nat").DHCPLeases()
    assert {(each["mac"][-2:], each["ipaddr"], each["hostname"]) for each in leases} == {
        ("11", "10.7.7.11", "a"),
        ("12", "10.7.7.12", "b"),
    }
    for name in ("b", "b.nat.test"):
        assert "10.7.7.12" in world["a"].shell.ask(f"nslookup {name}")
    assert "NXDOMAIN" in world["a"].shell.ask("nslookup c.nat.test")
    assert "1 packets received" in world["a"].shell.ask("ping -c 1 -W 60 b.nat.test")
    wait_until(lambda: has_address(world["a"], "fd07::5054:ff:fe00:11"))
    assert "1 packets received" in world["a"].shell.ask("ping -6 -c 1 -W 60 fd07::1")


def test_behind_nat_a_guest_reaches_outside_and_is_not_reached(world: World) -> None:
    """Its neighbour outside takes it for this host."""
    with world.outside.talk(world["a"], 4000) as talk:
        assert (talk.goes_on(), talk.peer) == (True, UPLINK)
    with pytest.raises(ConnectionRefusedError):
        world.outside.reaches("10.7.7.11")
    assert "10.7.7.1:" in reaches("10.7.7.11")


def test_a_routed_guest_is_itself_outside_and_is_reached(world: World) -> None:
    """Both ways; not from the networks beside it, which take only what they asked for."""
    with world.outside.talk(world["c"], 4001) as talk:
        assert (talk.goes_on(), talk.peer) == (True, "10.7.8.13")
    assert f"{OUTSIDE}:" in world.outside.reaches("10.7.8.13")
    assert "refused" in world["c"].shell.ask("nc -w 60 10.7.7.11 80 </dev/null 2>&1")


def test_an_isolated_guest_reaches_nobody_and_is_reached_by_nobody(world: World) -> None:
    """But for this host and its own kind; DHCP gives it no way out, and one that it takes is shut."""
    lone = world["d"].shell
    assert "default" not in lone.ask("ip route")
    lone.ask("ip route add default via 10.7.9.1")
    with world.outside.listening(4002):
        assert "refused" in lone.ask(f"nc -w 60 {OUTSIDE} 4002 </dev/null 2>&1")
    for each in ("10.7.7.11", "10.7.8.13"):
        assert "refused" in lone.ask(f"nc -w 60 {each} 80 </dev/null 2>&1")
    with pytest.raises(ConnectionRefusedError):
        world.outside.reaches("10.7.9.14")
    for name in ("a", "c"):
        assert "refused" in world[name].shell.ask("nc -w 60 10.7.9.14 80 </dev/null 2>&1")
    assert "10.7.9.1:" in reaches("10.7.9.14")


def has_address(guest: Guest, address: str) -> bool:
    """Of IPv6, for its use."""
    found = guest.shell.ask("ip -6 addr show eth0")
    return address in found and "tentative" not in found


def server(world: World, name: str) -> psutil.Process:
    """The dnsmasq of a network."""
    (one,) = world.here.programs("dnsmasq", of=f"/{name}.conf")
    return one


def test_a_connection_outlives_its_actor_ten_times_and_its_dnsmasq(world: World) -> None:
    """Every word arrives in between; a guest that asks again has the same address from the new server."""
    nat = server(world, "nat")
    with world.outside.talk(world["a"], 4003) as talk:
        for _ in range(KILLS):
            crash(world.conn.root, "drivers/network")
            assert talk.goes_on()
            world.networks.networkDefineXML("<network><name>probe</name></network>").undefine()
            assert talk.goes_on()
        crash(world.conn.root, f"guests/{world['a'].domain.ID()}-a")
        assert talk.goes_on() and nat.is_running()
        with watching(world.conn.root) as events:
            nat.kill()
            assert talk.goes_on()
            events.wait(lambda each: isinstance(each, NetworkRecovered))
        said = world["b"].shell.ask(f"{LEASE.format('eth0')} 2>&1")
        assert "lease of 10.7.7.12 obtained" in said
        assert "10.7.7.11" in world["b"].shell.ask("nslookup a")
        assert talk.goes_on()
    assert world.networks.networkLookupByName("nat").listAllPorts()[0].XMLDesc()
    assert {each.isActive() for each in world.networks.listAllNetworks()} == {1}


def test_i11_a_dnsmasq_that_dies_comes_back_with_its_leases_and_no_guest_notices(world: World) -> None:
    """An address that nobody reserved, too: the new server names who has it, and gives it to nobody else."""
    guest, network = world["a"], world.networks.networkLookupByName("nat")
    guest.domain.attachDevice(card("nat", "18"))
    guest.shell.until("eth1", "ls /sys/class/net")
    ask = "udhcpc -i eth1 -s /bin/true -q -n -t 20 -x hostname:kept 2>&1"
    (address,) = ADDRESS.findall(guest.shell.ask(f"ip link set eth1 up; {ask}"))
    leases = sorted(network.DHCPLeases(), key=str)
    assert {each["ipaddr"] for each in leases} == {"10.7.7.11", "10.7.7.12", address}
    with world.outside.talk(guest, 4006) as talk:
        for _ in range(DEATHS):
            dnsmasq = server(world, "nat")
            with watching(world.conn.root) as events:
                dnsmasq.kill()
                assert talk.goes_on()
                events.wait(lambda each: isinstance(each, NetworkRecovered))
            assert talk.goes_on() and server(world, "nat") != dnsmasq
        assert sorted(network.DHCPLeases(), key=str) == leases
        assert address in world["b"].shell.ask("nslookup kept.nat.test")
        assert ADDRESS.findall(guest.shell.ask(ask)) == [address]
        assert talk.goes_on()
    assert network.isActive() and guest.domain.messages() == []
    guest.domain.detachDevice(card("nat", "18"))
    wait_until(lambda: len(etree.fromstring(guest.domain.XMLDesc(0)).findall(".//interface")) == 1)


def test_clean_traffic_lets_only_the_guests_own_address_out(world: World) -> None:
    """Another is silent as long as the filter is there; a new one learns the first address that it sees."""
    shell = world["b"].shell
    take, drop = (f"ip addr {what} 10.7.7.66/32 dev eth0" for what in ("add", "del"))
    own, other = (f"ping -c 1 -W {{}} -I 10.7.7.{end} 10.7.7.11" for end in ("12", "66"))
    shell.ask(take)
    assert "1 packets received" in shell.ask(own.format(60))
    assert "0 packets received" in shell.ask(other.format(1))
    world["b"].domain.updateDeviceFlags(card("nat", "12", SLOW), LIVE)
    assert "1 packets received" in shell.ask(other.format(60))
    shell.ask(drop)  # else its answer to a neighbour who asks whether it is still there might be seen first
    world["b"].domain.updateDeviceFlags(card("nat", "12", CLEAN + SLOW), LIVE)
    assert "1 packets received" in shell.ask(own.format(60))
    shell.ask(take)
    assert "0 packets received" in shell.ask(other.format(1))
    shell.ask(drop)


def seconds_for(world: World, guest: Guest, port: int) -> float:
    """That ``SIZE`` bytes from outside take to it."""
    with world.outside.listening(port) as server:
        guest.shell.ask(f"(nc {OUTSIDE} {port} -e sh -c 'head -c {SIZE} >/dev/null; echo all' &)")
        met, _ = server.accept()
        begun = time.monotonic()
        with met:
            met.settimeout(SECONDS)
            met.sendall(bytes(SIZE))
            assert met.recv(4) == b"all\n"
        return time.monotonic() - begun


def test_bandwidth_is_tcs_and_the_guest_feels_it(world: World) -> None:
    """It is what libvirt would have told tc; without it the same bytes come at once."""
    limited = ("tc", "class", "show", "dev", tap(world["b"], "12"))
    assert "rate 800Kbit ceil 800Kbit burst 16Kb" in world.here.run(*limited)
    slow = seconds_for(world, world["b"], 4004)
    assert slow > 1
    world["b"].domain.updateDeviceFlags(card("nat", "12", CLEAN), LIVE)
    assert world.here.run(*limited) == ""
    wait_until(lambda: seconds_for(world, world["b"], 4005) < slow / 2)  # once is enough: limits never rest


def test_the_guest_sees_its_mtu_its_queues_and_its_cable(world: World) -> None:
    """As the XML says them; a cable that is pulled is seen, and one that is put back."""
    guest = world["a"]
    card_of = "cat /sys/class/net/eth0/{}"
    assert guest.shell.ask(card_of.format("mtu")) == "1380"
    assert world.here.links()[tap(guest, "11")]["mtu"] == 1380
    assert guest.shell.ask("ls /sys/class/net/eth0/queues") == "rx-0  rx-1  tx-0  tx-1"
    same = "<driver queues='2'/><mtu size='1380'/>"
    guest.domain.updateDeviceFlags(card("nat", "11", same + "<link state='down'/>"), LIVE)
    wait_until(lambda: guest.shell.ask(card_of.format("carrier")) == "0")
    assert "UP" not in world.here.links()[tap(guest, "11")]["flags"]
    guest.domain.updateDeviceFlags(card("nat", "11", same), LIVE)
    wait_until(lambda: guest.shell.ask(card_of.format("carrier")) == "1")
    wait_until(lambda: "1 packets received" in guest.shell.ask("ping -c 1 -W 1 10.7.7.1"))


def test_a_card_comes_to_a_running_guest_and_goes(world: World) -> None:
    """With an address reserved meanwhile, and its neighbours; then neither guest nor host has any of it."""
    guest, before, network = world["a"], world.links(), world.networks.networkLookupByName("lone")
    add, section = libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST
    network.update(add, section, -1, "<host mac='52:54:00:00:00:15' name='later' ip='10.7.9.15'/>", LIVE)
    guest.domain.attachDevice(card("lone", "15"))
    wait_until(lambda: "eth1" in guest.shell.ask("ls /sys/class/net"))
    said = guest.shell.ask(f"ip link set eth1 up; {LEASE.format('eth1')} 2>&1")
    assert "lease of 10.7.9.15 obtained" in said
    assert "10.7.9.15:" in guest.shell.ask("nc -w 60 10.7.9.14 80 </dev/null")
    assert world.links() - before == {tap(guest, "15")}
    guest.domain.detachDevice(card("lone", "15"))
    wait_until(lambda: len(etree.fromstring(guest.domain.XMLDesc(0)).findall(".//interface")) == 1)
    wait_until(lambda: world.links() == before)
    assert "eth1" not in guest.shell.ask("ls /sys/class/net")
    assert guest.domain.messages() == []


def test_the_end_leaves_nothing(world: World) -> None:
    """No link, rule, process or file of guests and networks; the last test of this module."""
    root: Path = world.conn.root.paths.path
    for guest in world.guests.values():
        guest.domain.destroy()
    wait_until(lambda: all(not each.listAllPorts() for each in world.networks.listAllNetworks()))
    for each in world.networks.listAllNetworks():
        each.destroy()
    wait_until(lambda: world.here.traces() == ["up0"])
    left = {each.name for name in ("run/network", "lib/dnsmasq") for each in (root / name).rglob("*.*")}
    assert left == set()
