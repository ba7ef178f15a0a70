"""Filters of a tap do to real frames what they say: raw ones, from one port of a bridge to another."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from embervirt.drivers.network.backend import nftables as nft
from embervirt.drivers.network.nwfilter import nftables
from embervirt.drivers.network.nwfilter.builtin import NAMES, builtin
from embervirt.drivers.network.nwfilter.model import Filter
from embervirt.drivers.network.nwfilter.reading import read_filter, read_reference
from embervirt.drivers.network.nwfilter.tree import Interface, instantiate
from guest.domain import SECONDS, wait_until
from guest.namespace import Namespace

TABLE = "embervirt-00000000-tap"
MAC, PEER, ALL = "52:54:00:00:00:01", "52:54:00:00:00:02", "ff:ff:ff:ff:ff:ff"
GUEST, OTHER, REMOTE = "10.7.7.5", "10.7.7.9", "10.7.7.1"
EVERYTHING = 0x0003
MARK = b"mark"
"""What tells the end of a question: frames keep their order, so nothing sent before it comes after it."""

EXPERIMENT = 0x88B5
"""Ethernet's type for local experiments."""


def packed(mac: str) -> bytes:
    """Its six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def frame(kind: int, body: bytes, source: str = MAC, to: str = PEER) -> bytes:
    """Of Ethernet."""
    return packed(to) + packed(source) + struct.pack("!H", kind) + body.ljust(46, b"\0")


def arp(address: str, mac: str = MAC, source: str = MAC) -> bytes:
    """Who has REMOTE; ``address`` and ``mac`` ask."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + packed(mac) + socket.inet_aton(address)
    return frame(0x0806, body + bytes(6) + socket.inet_aton(REMOTE), source, ALL)


def ip(source: str, to: str, protocol: int, body: bytes, mac: str = MAC, receiver: str = PEER) -> bytes:
    """IPv4; nobody on the way minds the checksum's value, but that it is right."""
    start = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0, 64, protocol, 0)
    ends = socket.inet_aton(source) + socket.inet_aton(to)
    total = sum(struct.unpack("!10H", start + ends))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)
    return frame(0x0800, start[:10] + checksum + ends + body, mac, receiver)


def udp(
    source: str, to: str, ports: tuple[int, int] = (1000, 2000), data: bytes = b"", mac: str = MAC
) -> bytes:
    """Without a checksum."""
    return ip(source, to, 17, struct.pack("!HHHH", *ports, 8 + len(data), 0) + data, mac)


def tcp(source: str, to: str, ports: tuple[int, int], *, mac: str = MAC, receiver: str = PEER) -> bytes:
    """The first of a connection, or any other: filters do not tell them apart."""
    return ip(source, to, 6, struct.pack("!HHIIHHHH", *ports, 1, 0, 0x5002, 1024, 0, 0), mac, receiver)


def inwards(made: bytes) -> bytes:
    """From the peer to the guest."""
    return packed(MAC) + packed(PEER) + made[12:]


def tagged(made: bytes, vlan: int) -> bytes:
    """In a VLAN."""
    return made[:12] + struct.pack("!HH", 0x8100, vlan) + made[12:]


def bare(made: bytes) -> bytes:
    """As it is heard: a packet socket is told of the tag elsewhere, and padding may be gone."""
    inner = made[:12] + made[16:] if made[12:14] == b"\x81\x00" else made
    return inner.rstrip(b"\0")


@dataclass
class Wire:
    """The guest's end of its tap, and the end of a neighbour's, of one bridge."""

    namespace: Namespace
    guest: socket.socket
    peer: socket.socket

    def passes(self, sent: bytes) -> bool:
        """Whether a frame of the guest comes to the neighbour."""
        return self._passes(self.guest, self.peer, sent)

    def comes(self, sent: bytes) -> bool:
        """Whether a frame of the neighbour comes to the guest."""
        return self._passes(self.peer, self.guest, sent)

    def _passes(self, sender: socket.socket, receiver: socket.socket, sent: bytes) -> bool:
        """The table is there only for what is asked: the mark goes to a port that has none."""
        sender.send(sent)
        sender.send(self._mark(sender))
        found = False
        while True:
            heard = receiver.recv(2000)
            if MARK in heard:
                return found
            found = found or bare(heard) == bare(sent)

    def _mark(self, sender: socket.socket) -> bytes:
        return frame(EXPERIMENT, MARK, MAC if sender is self.guest else PEER, ALL)

    def filter(self, reference: str, own: Filter | None = None, guest: tuple[str, ...] = ()) -> None:
        """Give the tap a filter; one more rule lets the marks through, before all others."""
        interface = Interface("tap0", MAC, guest)
        made = instantiate(
            read_reference(reference),
            interface,
            lambda name: own if own and own.name == name else builtin(name),
        )
        text = nftables.ruleset(made, interface, TABLE)
        for chain in ("out-root", "in-root"):
            text = text.replace(
                f"chain {chain} {{\n", f"chain {chain} {{\n\t\tether type {EXPERIMENT:#x} accept\n"
            )
        nft.apply(text)


@pytest.fixture
def wire(namespace: Namespace) -> Iterator[Wire]:
    """Two ports of a bridge without addresses, where nobody else speaks."""
    run = namespace.run
    for which in ("default", "all"):
        Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("1")
    run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    for tap, end in (("tap0", "guest0"), ("tap1", "peer0")):
        run("ip", "link", "add", tap, "type", "veth", "peer", "name", end)
        run("ip", "link", "set", tap, "master", "br0")
        for link in (tap, end):
            run("ip", "link", "set", link, "up")
    run("ip", "link", "set", "br0", "up")
    wait_until(lambda: {each["state"] for each in json.loads(run("bridge", "-j", "link"))} == {"forwarding"})
    with _raw("guest0") as guest, _raw("peer0") as peer:
        yield Wire(namespace, guest, peer)


def _raw(link: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERYTHING))
    made.bind((link, 0))
    made.settimeout(SECONDS)
    return made


def own(body: str) -> Filter:
    """A filter of one's own."""
    return read_filter(f"<filter name='own'>{body}</filter>")


def test_without_a_filter_everything_passes(wire: Wire) -> None:
    """So what does not pass below is the filter's doing."""
    foreign = udp(GUEST, REMOTE, mac="52:54:00:00:00:07")
    six = frame(0x86DD, b"\x60" + bytes(5) + b"\x3b\x40" + bytes(31) + b"\1")
    for sent in (arp(GUEST), arp(OTHER), udp(OTHER, REMOTE), foreign, tagged(udp(OTHER, REMOTE), 5), six):
        assert wire.passes(sent)
    for sent in (tcp(REMOTE, GUEST, (4000, 80)), acknowledged(OTHER, mac=PEER)):
        assert wire.comes(inwards(sent))


def test_clean_traffic_lets_the_guest_be_itself_and_nobody_else(wire: Wire) -> None:
    """Its MAC address, IP address and both in ARP pass; with another of any of them nothing does."""
    wire.filter("<filterref filter='clean-traffic'/>", guest=(GUEST,))
    assert wire.passes(arp(GUEST))
    assert wire.passes(udp(GUEST, REMOTE))
    assert wire.comes(inwards(udp(REMOTE, GUEST)))
    assert wire.passes(udp("0.0.0.0", "255.255.255.255", (68, 67)))
    assert not wire.passes(arp(OTHER))
    assert not wire.passes(arp(GUEST, mac=PEER))
    assert not wire.passes(arp(GUEST, source="52:54:00:00:00:07"))
    assert not wire.passes(udp(OTHER, REMOTE))
    assert not wire.passes(udp(GUEST, REMOTE, mac="52:54:00:00:00:07"))
    assert not wire.passes(frame(0x86DD, b"\x60" + bytes(5) + b"\x3b\x40" + bytes(31) + b"\1"))


def test_a_tag_of_a_vlan_does_not_hide_a_wrong_address(wire: Wire) -> None:
    """What is neither IPv4 nor ARP does not pass."""
    wire.filter("<filterref filter='clean-traffic'/>", guest=(GUEST,))
    assert not wire.passes(tagged(udp(OTHER, REMOTE), 5))


def test_the_first_address_that_a_guest_uses_becomes_its_own(wire: Wire) -> None:
    """Without a parameter IP; another one later is a wrong one."""
    wire.filter("<filterref filter='clean-traffic'/>")
    assert wire.passes(udp(GUEST, REMOTE))
    assert wire.passes(arp(GUEST))
    assert not wire.passes(udp(OTHER, REMOTE))
    assert not wire.passes(arp(OTHER))
    assert wire.passes(udp(GUEST, REMOTE))


def acknowledged(address: str, mac: str = MAC, server: str = REMOTE) -> bytes:
    """What a DHCP server answers at last."""
    start = struct.pack(
        "!BBBBIHH4s4s4s4s",
        2,
        1,
        6,
        0,
        1,
        0,
        0,
        *map(socket.inet_aton, ("0.0.0.0", address, server, "0.0.0.0")),
    )
    body = start + packed(mac).ljust(16, b"\0") + bytes(192) + bytes.fromhex("63825363350105ff")
    return inwards(udp(server, address, (67, 68), body))


def test_addresses_that_a_dhcp_server_gives_become_the_guests_own(wire: Wire) -> None:
    """Those of the guest, from the server that is believed; until then it has none."""
    learning = "<parameter name='CTRL_IP_LEARNING' value='dhcp'/>"
    believed = f"<parameter name='DHCPSERVER' value='{REMOTE}'/>"
    wire.filter(f"<filterref filter='clean-traffic'>{learning}{believed}</filterref>")
    assert not wire.passes(udp(GUEST, REMOTE))
    for wrong in (acknowledged(OTHER, mac=PEER), acknowledged(OTHER, server="10.7.7.66")):
        assert wire.comes(wrong)
        assert not wire.passes(udp(OTHER, REMOTE))
    assert wire.comes(acknowledged(GUEST))
    assert wire.passes(udp(GUEST, REMOTE))
    assert wire.passes(arp(GUEST))
    assert not wire.passes(udp(OTHER, REMOTE))


ONE_SERVICE = """
<rule action='accept' direction='in'><tcp dstportstart='22'/></rule>
<rule action='accept' direction='out'><udp dstportstart='53'/></rule>
<rule action='drop' direction='inout' priority='1000'><all/></rule>
<rule action='accept' direction='inout'><mac/></rule>"""


def test_a_service_is_answered_and_nothing_else_is_said(wire: Wire) -> None:
    """Answers pass once they were asked for, to whoever asked."""
    wire.filter("<filterref filter='own'/>", own(ONE_SERVICE))
    answer = tcp(GUEST, REMOTE, (22, 4000))
    assert not wire.passes(answer)
    assert wire.comes(inwards(tcp(REMOTE, GUEST, (4000, 22))))
    assert wire.passes(answer)
    assert not wire.passes(tcp(GUEST, REMOTE, (22, 4001)))
    assert not wire.passes(tcp(GUEST, OTHER, (22, 4000)))
    assert not wire.comes(inwards(tcp(REMOTE, GUEST, (4000, 80))))
    assert not wire.comes(inwards(udp(REMOTE, GUEST, (53, 1000))))
    assert wire.passes(udp(GUEST, REMOTE, (1000, 53)))
    assert wire.comes(inwards(udp(REMOTE, GUEST, (53, 1000))))
    assert wire.passes(arp(GUEST))


STATES = """
<rule action='accept' direction='inout' priority='100'><all state='ESTABLISHED'/></rule>
<rule action='accept' direction='out' priority='200'><tcp state='NEW'/></rule>
<rule action='drop' direction='inout' priority='1000'><all/></rule>
<rule action='accept' direction='inout'><mac/></rule>"""


def test_states_of_connections_are_told_apart(wire: Wire) -> None:
    """New ones begin at the guest; what is known passes both ways."""
    wire.filter("<filterref filter='own'/>", own(STATES))
    assert not wire.comes(inwards(tcp(REMOTE, GUEST, (80, 4000))))
    assert wire.passes(tcp(GUEST, REMOTE, (4000, 80)))
    assert wire.comes(inwards(tcp(REMOTE, GUEST, (80, 4000))))
    assert not wire.comes(inwards(tcp(REMOTE, GUEST, (80, 4001))))
    assert not wire.passes(udp(GUEST, REMOTE))


def test_a_table_replaces_the_one_before_and_goes_without_trace(wire: Wire) -> None:
    """A filter that changes is never half of two; none is left behind."""
    wire.filter("<filterref filter='clean-traffic'/>", guest=(GUEST,))
    assert not wire.passes(udp(OTHER, REMOTE))
    wire.filter("<filterref filter='clean-traffic'/>", guest=(OTHER,))
    assert wire.passes(udp(OTHER, REMOTE))
    assert not wire.passes(udp(GUEST, REMOTE))
    nft.apply(nftables.gone(TABLE))
    assert nft.tables() == set()
    nft.apply(nftables.gone(TABLE))
    assert wire.passes(udp(GUEST, REMOTE))


def test_every_built_in_filter_is_one_that_nft_takes(wire: Wire) -> None:
    """With values for the variables that some of them need."""
    for name in NAMES:
        server = "fd00::1" if "v6" in name else REMOTE
        values = {"IP": GUEST, "IPV6": "fd00::5", "DHCPSERVER": server, "GATEWAY_MAC": PEER}
        given = "".join(f"<parameter name='{key}' value='{value}'/>" for key, value in values.items())
        wire.filter(f"<filterref filter='{name}'>{given}</filterref>")
    assert len(nft.tables()) == 1
