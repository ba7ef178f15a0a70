"""The switch's own host: what it answers to a frame that reaches it. Pure but for its leases."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Interface

from dpkt import dhcp, dpkt, ethernet, ip, udp

from embervirt.drivers.network.switch import frames, names
from embervirt.drivers.network.switch.config import Config
from embervirt.drivers.network.switch.dhcp import Lease, Server

DNS, DHCP_SERVER, DHCP_CLIENT = 53, 67, 68
ANYBODY = b"\xff" * 4


class Host:
    """Of a switch with an address."""

    def __init__(self, config: Config, leases: Sequence[Lease] = ()) -> None:
        self.server = Server(config, leases)
        self.use(config)

    def use(self, config: Config) -> None:
        """From now on."""
        self._config = config
        self._mac = frames.packed(config.mac)
        self._address: IPv4Address = IPv4Interface(config.address).ip
        self.server.use(config)

    def answer(self, frame: bytes, now: int) -> bytes | None:
        """The frame that is sent back, if any: a guest may send anything."""
        try:
            asked = ethernet.Ethernet(frame)
            return frames.arp_answer(asked, self._mac, self._address) or self._packet(asked, now)
        except (dpkt.Error, ValueError, IndexError):
            return None

    def _packet(self, asked: ethernet.Ethernet, now: int) -> bytes | None:
        packet = asked.data
        if not isinstance(packet, ip.IP) or packet.dst not in (self._address.packed, ANYBODY):
            return None
        if isinstance(packet.data, udp.UDP):
            return self._datagram(asked, packet, packet.data, now)
        return frames.echo_answer(asked, packet, self._mac)

    def _datagram(self, asked: ethernet.Ethernet, packet: ip.IP, inner: udp.UDP, now: int) -> bytes | None:
        if inner.dport == DHCP_SERVER:
            return self._dhcp(dhcp.DHCP(inner.data), now)
        if inner.dport == DNS and self._config.answers and packet.dst != ANYBODY:
            found = names.answer(inner.data, self._config.domain, self.names(now), self._config.texts)
            back = asked.src, packet.src, inner.sport
            return found and frames.datagram(back, (self._mac, self._address.packed, DNS), found)
        return None

    def _dhcp(self, message: dhcp.DHCP, now: int) -> bytes | None:
        if not (self._config.ranges or self._config.hosts):
            return None
        reply = self.server.answer(message, now)
        if reply is None:
            return None
        # The client has no address yet: to its card, and to whoever listens on it.
        receiver = bytes(message.chaddr[:6]), ANYBODY, DHCP_CLIENT
        return frames.datagram(receiver, (self._mac, self._address.packed, DHCP_SERVER), bytes(reply))

    def names(self, now: int) -> dict[str, tuple[str, ...]]:
        """Addresses by name: those of the configuration, then those of leases."""
        leases = [each for each in self.server.leases.values() if each.taken and each.name]
        held = {each.name.lower(): (str(each.address),) for each in leases if each.holds(now)}
        given = {each.name.lower(): (each.address,) for each in self._config.hosts if each.name}
        return {**held, **given, **self._config.names}
