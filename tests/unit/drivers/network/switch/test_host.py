"""A switch's own host: addresses, names, pings."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from dns import message, rcode
from dpkt import arp, dhcp, ethernet, icmp, ip, udp
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.network.switch import config as configs
from embervirt.drivers.network.switch.config import Config
from embervirt.drivers.network.switch.dhcp import Lease, parsed, rendered
from embervirt.drivers.network.switch.frames import BROADCAST, datagram, packed
from embervirt.drivers.network.switch.host import Host

NOW = 1_000_000_000
HERE = "10.9.0.1"
CONFIG = Config(
    network="small",
    mac="52:54:00:00:00:01",
    leases="leases",
    ports="ports",
    uuid="u",
    address=f"{HERE}/29",
    ranges=(("10.9.0.2", "10.9.0.5"),),
    hosts=(configs.Host("10.9.0.5", mac="52:54:00:00:00:05", name="fixed"),),
    domain="lab",
    names={"printer": ("10.9.0.6", "fd00::6")},
    texts={"about": 'says "hello"'},
    mtu=1400,
)


def ask(
    host: Host, kind: int, mac: str, now: int = NOW, **options: str
) -> tuple[int, str, dict[int, bytes]] | None:
    """Kind, address and options of the answer."""
    opts = [(dhcp.DHCP_OPT_MSGTYPE, bytes([kind]))]
    if "wants" in options:
        opts.append((dhcp.DHCP_OPT_REQ_IP, IPv4Address(options["wants"]).packed))
    if "name" in options:
        opts.append((dhcp.DHCP_OPT_HOSTNAME, options["name"].encode()))
    request = dhcp.DHCP(xid=7, chaddr=packed(mac), opts=opts)
    nobody = b"\0" * 4
    sent = datagram((BROADCAST, b"\xff" * 4, 67), (packed(mac), nobody, 68), bytes(request))
    answer = host.answer(sent, now)
    if answer is None:
        return None
    back = ethernet.Ethernet(answer)
    assert back.dst == packed(mac) and back.data.sum and back.data.data.sum
    reply = dhcp.DHCP(back.data.data.data)
    assert reply.xid == 7
    found = dict(reply.opts)
    return found[dhcp.DHCP_OPT_MSGTYPE][0], str(IPv4Address(reply.yiaddr)), found


def lease(host: Host, mac: str, now: int = NOW, name: str = "") -> str:
    """The address that a client gets who asks as clients do."""
    named = {"name": name} if name else {}
    offer = ask(host, dhcp.DHCPDISCOVER, mac, now, **named)
    if offer is None:
        return ""
    assert offer[0] == dhcp.DHCPOFFER
    given = ask(host, dhcp.DHCPREQUEST, mac, now, wants=offer[1], **named)
    assert given is not None and given[:2] == (dhcp.DHCPACK, offer[1])
    return offer[1]


def named(host: Host, name: str, kind: str = "A") -> tuple[str, list[str]]:
    """What the name server says: code, and values."""
    query = message.make_query(name, kind).to_wire()
    ends = (packed(CONFIG.mac), IPv4Address(HERE).packed, 53), (b"RT\0\0\0\x0a", b"\x0a\x09\0\2", 999)
    answer = host.answer(datagram(*ends, query), NOW)
    assert answer is not None
    inner = ethernet.Ethernet(answer).data.data
    assert isinstance(inner, udp.UDP) and inner.dport == 999
    reply = message.from_wire(inner.data)
    return rcode.to_text(reply.rcode()), [str(each) for row in reply.answer for each in row]


def test_clients_get_different_addresses_until_none_is_left() -> None:
    """The reserved one is nobody else's, so three are for anybody."""
    host = Host(CONFIG)
    macs = [f"52:54:00:00:01:0{n}" for n in range(4)]
    assert [lease(host, mac) for mac in macs] == ["10.9.0.2", "10.9.0.3", "10.9.0.4", ""]
    assert lease(host, "52:54:00:00:00:05") == "10.9.0.5"


def test_a_client_keeps_its_address_and_one_that_let_go_frees_it() -> None:
    """By a release, or by its time."""
    host = Host(CONFIG)
    first, second = "52:54:00:00:01:01", "52:54:00:00:01:02"
    assert (lease(host, first), lease(host, second)) == ("10.9.0.2", "10.9.0.3")
    assert lease(host, first, NOW + 100) == "10.9.0.2"
    assert ask(host, dhcp.DHCPRELEASE, first) is None
    assert lease(host, "52:54:00:00:01:03") == "10.9.0.2"
    late = NOW + CONFIG.lease + 1
    assert lease(host, "52:54:00:00:01:04", late) == "10.9.0.2"


def test_a_client_is_told_what_the_network_is() -> None:
    """Mask, router, names, how large a packet may be, for how long."""
    offer = ask(Host(CONFIG), dhcp.DHCPDISCOVER, "52:54:00:00:01:01")
    assert offer is not None
    options, here = offer[2], IPv4Address(HERE).packed
    assert options[dhcp.DHCP_OPT_NETMASK] == IPv4Address("255.255.255.248").packed
    assert options[dhcp.DHCP_OPT_ROUTER] == options[dhcp.DHCP_OPT_DNS_SVRS] == here
    assert (options[dhcp.DHCP_OPT_DOMAIN], options[26]) == (b"lab", b"\x05\x78")
    assert int.from_bytes(options[dhcp.DHCP_OPT_LEASE_SEC], "big") == CONFIG.lease


def test_a_wish_that_cannot_be_is_refused() -> None:
    """An address of another network, or somebody else's."""
    host = Host(CONFIG)
    lease(host, "52:54:00:00:01:01")
    for wish in ("192.168.1.5", "10.9.0.2", HERE):
        answer = ask(host, dhcp.DHCPREQUEST, "52:54:00:00:01:09", wants=wish)
        assert answer is not None and answer[:2] == (dhcp.DHCPNAK, "0.0.0.0")


def test_names_of_guests_of_the_configuration_and_of_nobody() -> None:
    """With the network's domain and without; what is there has another kind of record or none."""
    host = Host(CONFIG)
    lease(host, "52:54:00:00:01:01", name="Alice")
    assert named(host, "alice") == named(host, "ALICE.lab") == ("NOERROR", ["10.9.0.2"])
    assert named(host, "fixed.lab") == ("NOERROR", ["10.9.0.5"])
    assert named(host, "printer", "AAAA") == ("NOERROR", ["fd00::6"])
    assert named(host, "alice", "AAAA") == ("NOERROR", [])
    assert named(host, "about", "TXT") == ("NOERROR", ['"says \\"hello\\""'])
    assert named(host, "2.0.9.10.in-addr.arpa", "PTR") == ("NOERROR", ["alice.lab."])
    assert named(host, "example.org") == ("NXDOMAIN", [])


def test_it_answers_who_it_is_and_pings() -> None:
    """And not for others."""
    host, mac = Host(CONFIG), b"RT\0\0\0\x0a"

    def who_has(address: str) -> bytes | None:
        question = arp.ARP(sha=mac, spa=b"\x0a\x09\0\2", tpa=IPv4Address(address).packed)
        return host.answer(bytes(ethernet.Ethernet(dst=BROADCAST, src=mac, type=0x806, data=question)), NOW)

    answer = who_has(HERE)
    assert answer is not None and ethernet.Ethernet(answer).data.sha == packed(CONFIG.mac)
    assert who_has("10.9.0.2") is None
    ping = icmp.ICMP(type=8, data=icmp.ICMP.Echo(id=1, seq=2, data=b"hello"))
    packet = ip.IP(src=b"\x0a\x09\0\2", dst=IPv4Address(HERE).packed, p=1, data=ping)
    packet.len = len(packet)
    back = host.answer(bytes(ethernet.Ethernet(dst=packed(CONFIG.mac), src=mac, data=packet)), NOW)
    assert back is not None
    echo = ethernet.Ethernet(back).data.data
    assert (echo.type, bytes(echo.data)) == (0, bytes(ping.data))


def test_leases_are_kept_in_dnsmasqs_form() -> None:
    """What was only offered is not kept; the next process knows the others."""
    host = Host(CONFIG)
    lease(host, "52:54:00:00:01:01", name="alice")
    ask(host, dhcp.DHCPDISCOVER, "52:54:00:00:01:02")
    text = rendered(list(host.server.leases.values()))
    assert text == f"{NOW + CONFIG.lease} 52:54:00:00:01:01 10.9.0.2 alice *\n"
    successor = Host(CONFIG, parsed(text))
    assert lease(successor, "52:54:00:00:01:03") == "10.9.0.3"
    assert successor.server.leases["52:54:00:00:01:01"] == Lease(
        "52:54:00:00:01:01", IPv4Address("10.9.0.2"), NOW + CONFIG.lease, "alice"
    )


@given(st.binary(max_size=600))
def test_any_bytes_are_answered_or_not(frame: bytes) -> None:
    """A guest ends nothing by what it sends, in any kind of packet."""
    host = Host(CONFIG)
    here, guest = (packed(CONFIG.mac), IPv4Address(HERE).packed), (b"RT\0\0\0\x0a", b"\x0a\x09\0\2", 999)
    for sent in (frame, *(datagram((*here, port), guest, frame) for port in (53, 67, 69))):
        answer = host.answer(sent, NOW)
        assert answer is None or len(answer) > 14


BARE = Config(network="n", mac="52:54:00:00:00:01", leases="l", ports="p", uuid="u")


@pytest.mark.parametrize("value", [CONFIG, BARE])
def test_a_configuration_reads_back(value: Config, tmp_path: Path) -> None:
    """As it was written."""
    path = tmp_path / "config"
    path.write_bytes(configs.written(value))
    assert configs.read(path) == value
