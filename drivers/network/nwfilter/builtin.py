"""The filters that every root has, as libvirt has them: the same names, chains, priorities and rules.

They are facts of libvirt's interface, and described in its documentation. A root's own filter of one of these
names stands in its place.
"""

from __future__ import annotations

import uuid
from functools import cache

from embervirt.drivers.network.nwfilter.model import Filter
from embervirt.drivers.network.nwfilter.reading import read_filter

NAMESPACE = uuid.UUID("5b6d9c0e-8c3f-4a55-9c53-64a0a5f1d1f7")
"""A built-in filter's UUID is made of its name, in here."""

_ANY_DHCP = (
    "<rule action='accept' direction='in' priority='100'>"
    "<ip protocol='udp' srcportstart='67' dstportstart='68'/></rule>"
)
_ASK_DHCP = (
    "<rule action='accept' direction='out' priority='100'><ip srcipaddr='0.0.0.0' dstipaddr='255.255.255.255'"
    " protocol='udp' srcportstart='68' dstportstart='67'/></rule>"
)
_ASK_DHCP6 = (
    "<rule action='accept' direction='out' priority='100'><ipv6 srcipaddr='fe80::' srcipmask='10'"
    " dstipaddr='ff02::1:2' protocol='udp' srcportstart='546' dstportstart='547'/></rule>"
)
_BELIEVED = "srcipaddr='$DHCPSERVER' "
_ANNOUNCED = (
    "<rarp {}dstmacaddr='ff:ff:ff:ff:ff:ff' opcode='Request_Reverse' arpsrcmacaddr='$MAC'"
    " arpdstmacaddr='$MAC' arpsrcipaddr='0.0.0.0' arpdstipaddr='0.0.0.0'/>"
)
_ANNOUNCE = _ANNOUNCED.format("srcmacaddr='$MAC' ")
_DROP_OTHERS = "<rule action='drop' direction='out' priority='1000'/>"
_ALL = "<rule action='accept' direction='inout'/>"
_INCOMING = "<rule action='accept' direction='in'/>"
_ARP = "<rule action='accept' direction='inout' priority='-500'><mac protocolid='arp'/></rule>"


def _refs(*names: str) -> str:
    return "".join(f"<filterref filter='{name}'/>" for name in names)


def _dhcp6_answer(server: str) -> str:
    asked = f"<ipv6 {server}protocol='udp' srcportstart='547' dstportstart='546'/>"
    return f"<rule action='accept' direction='in' priority='100'>{asked}</rule>"


_BODIES: dict[str, tuple[str, str]] = {
    "allow-arp": ("chain='arp'", _ALL),
    "allow-dhcp": ("chain='ipv4'", _ASK_DHCP + _ANY_DHCP),
    "allow-dhcp-server": ("chain='ipv4'", _ASK_DHCP + _ANY_DHCP.replace("<ip ", f"<ip {_BELIEVED}")),
    "allow-dhcpv6": ("chain='ipv6'", _ASK_DHCP6 + _dhcp6_answer("")),
    "allow-dhcpv6-server": ("chain='ipv6'", _ASK_DHCP6 + _dhcp6_answer(_BELIEVED)),
    "allow-incoming-ipv4": ("chain='ipv4'", _INCOMING),
    "allow-incoming-ipv6": ("chain='ipv6'", _INCOMING),
    "allow-ipv4": ("chain='ipv4'", _ALL),
    "allow-ipv6": ("chain='ipv6'", _ALL),
    "clean-traffic": (
        "chain='root'",
        _refs("no-mac-spoofing", "no-ip-spoofing")
        + "<rule action='accept' direction='out' priority='-650'><mac protocolid='ipv4'/></rule>"
        + _refs("allow-incoming-ipv4", "no-arp-spoofing")
        + _ARP
        + _refs("no-other-l2-traffic", "qemu-announce-self"),
    ),
    "clean-traffic-gateway": (
        "chain='root'",
        _refs("no-mac-spoofing", "no-ip-spoofing", "no-arp-spoofing")
        + _ARP
        + "<rule action='accept' direction='in'><mac srcmacaddr='$GATEWAY_MAC'/></rule>"
        + "<rule action='accept' direction='out'><mac dstmacaddr='$GATEWAY_MAC'/></rule>"
        + _refs("no-other-l2-traffic", "qemu-announce-self"),
    ),
    "no-arp-ip-spoofing": (
        "chain='arp-ip' priority='-510'",
        "<rule action='return' direction='out' priority='400'><arp arpsrcipaddr='$IP'/></rule>"
        + _DROP_OTHERS,
    ),
    "no-arp-mac-spoofing": (
        "chain='arp-mac' priority='-520'",
        "<rule action='return' direction='out' priority='350'><arp arpsrcmacaddr='$MAC'/></rule>"
        + _DROP_OTHERS,
    ),
    "no-arp-spoofing": ("chain='root'", _refs("no-arp-mac-spoofing", "no-arp-ip-spoofing")),
    "no-ip-multicast": (
        "chain='ipv4'",
        "<rule action='drop' direction='out'><ip dstipaddr='224.0.0.0' dstipmask='4'/></rule>",
    ),
    "no-ip-spoofing": (
        "chain='ipv4-ip' priority='-710'",
        "<rule action='return' direction='out' priority='100'><ip srcipaddr='0.0.0.0' protocol='udp'/></rule>"
        "<rule action='return' direction='out'><ip srcipaddr='$IP'/></rule>" + _DROP_OTHERS,
    ),
    "no-ipv6-multicast": (
        "chain='ipv6'",
        "<rule action='drop' direction='out'><ipv6 dstipaddr='ff00::' dstipmask='8'/></rule>",
    ),
    "no-ipv6-spoofing": (
        "chain='ipv6-ip' priority='-610'",
        "<rule action='return' direction='out' priority='100'>"
        "<ipv6 srcipaddr='fe80::' srcipmask='10' protocol='udp'/></rule>"
        "<rule action='return' direction='out'><ipv6 srcipaddr='$IPV6'/></rule>" + _DROP_OTHERS,
    ),
    "no-mac-broadcast": (
        "chain='ipv4'",
        "<rule action='drop' direction='out'><mac dstmacaddr='ff:ff:ff:ff:ff:ff'/></rule>",
    ),
    "no-mac-spoofing": (
        "chain='mac' priority='-800'",
        "<rule action='return' direction='out'><mac srcmacaddr='$MAC'/></rule>"
        "<rule action='drop' direction='out'><mac/></rule>",
    ),
    "no-other-l2-traffic": ("chain='root'", "<rule action='drop' direction='inout' priority='1000'/>"),
    "no-other-rarp-traffic": ("chain='rarp'", "<rule action='drop' direction='inout' priority='1000'/>"),
    "qemu-announce-self": (
        "chain='root'",
        "<rule action='accept' direction='out'><mac protocolid='0x835'/></rule>"
        + _refs("qemu-announce-self-rarp", "no-other-rarp-traffic"),
    ),
    "qemu-announce-self-rarp": (
        "chain='rarp'",
        f"<rule action='accept' direction='out'>{_ANNOUNCE}</rule>"
        f"<rule action='accept' direction='in'>{_ANNOUNCED.format('')}</rule>",
    ),
}

NAMES = tuple(_BODIES)


@cache
def builtin(name: str) -> Filter | None:
    """The built-in filter of that name, None when there is none."""
    if name not in _BODIES:
        return None
    head, body = _BODIES[name]
    return read_filter(
        f"<filter name='{name}' {head}><uuid>{uuid.uuid5(NAMESPACE, name)}</uuid>{body}</filter>"
    )
