"""Ethernet frames of the switch's own host: what was asked, and what is answered."""

from __future__ import annotations

from ipaddress import IPv4Address

from dpkt import arp, ethernet, icmp, ip, udp

BROADCAST = b"\xff" * 6


def packed(mac: str) -> bytes:
    """A MAC address as a frame has it."""
    return bytes.fromhex(mac.replace(":", ""))


def spelled(mac: bytes) -> str:
    """As people write it."""
    return mac.hex(":")


def arp_answer(asked: ethernet.Ethernet, mac: bytes, address: IPv4Address) -> bytes | None:
    """Who has ``address``, when that was the question."""
    question = asked.data
    if not isinstance(question, arp.ARP) or question.op != arp.ARP_OP_REQUEST:
        return None
    if question.tpa != address.packed:
        return None
    answer = arp.ARP(op=arp.ARP_OP_REPLY, sha=mac, spa=address.packed, tha=question.sha, tpa=question.spa)
    return bytes(ethernet.Ethernet(dst=asked.src, src=mac, type=ethernet.ETH_TYPE_ARP, data=answer))


def echo_answer(asked: ethernet.Ethernet, packet: ip.IP, mac: bytes) -> bytes | None:
    """The answer to a ping."""
    message = packet.data
    if not isinstance(message, icmp.ICMP) or message.type != icmp.ICMP_ECHO:
        return None
    answer = icmp.ICMP(type=icmp.ICMP_ECHOREPLY, code=0, data=message.data)
    back = ip.IP(src=packet.dst, dst=packet.src, p=ip.IP_PROTO_ICMP, ttl=64, data=answer)
    return _framed(asked.src, mac, back)


def datagram(receiver: tuple[bytes, bytes, int], sender: tuple[bytes, bytes, int], content: bytes) -> bytes:
    """A frame with a UDP datagram; each end is MAC, address and port."""
    inner = udp.UDP(dport=receiver[2], sport=sender[2], data=content, ulen=8 + len(content))
    packet = ip.IP(src=sender[1], dst=receiver[1], p=ip.IP_PROTO_UDP, ttl=64, data=inner)
    return _framed(receiver[0], sender[0], packet)


def _framed(receiver: bytes, sender: bytes, packet: ip.IP) -> bytes:
    packet.len = len(packet)
    return bytes(ethernet.Ethernet(dst=receiver, src=sender, type=ethernet.ETH_TYPE_IP, data=packet))
