"""A DHCP server (RFC 2131), pure: a message comes in, what is leased changes, an answer goes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from dpkt import dhcp

from embervirt.drivers.network.switch.config import Config
from embervirt.drivers.network.switch.frames import spelled

OFFERED = 60
"""Seconds that an offered address is kept for who was offered it."""

EVER = 0xFFFFFFFF
"""Seconds of a lease that does not end."""

NAME_MAX = 63
"""Characters of a client's name that are taken."""


@dataclass(frozen=True)
class Lease:
    """``expiry``: Unix time in seconds, 0 for never. ``taken``: asked for, not only offered."""

    mac: str
    address: IPv4Address
    expiry: int
    name: str = ""
    client_id: str = ""
    taken: bool = True

    def holds(self, now: int) -> bool:
        """Whether its time is not over."""
        return self.expiry == 0 or self.expiry > now


@dataclass(frozen=True)
class Asked:
    """A client's message, with what is wanted of it."""

    kind: int
    mac: str
    wanted: IPv4Address | None
    server: IPv4Address | None
    name: str
    client_id: str
    current: IPv4Address

    @classmethod
    def of(cls, message: dhcp.DHCP) -> Asked | None:
        """None for what is no request of a client."""
        options = dict(message.opts)
        kind = options.get(dhcp.DHCP_OPT_MSGTYPE, b"")
        if message.op != dhcp.DHCP_OP_REQUEST or len(kind) != 1 or len(message.chaddr) < 6:
            return None
        name = options.get(dhcp.DHCP_OPT_HOSTNAME, b"").decode("ascii", "ignore")
        return cls(
            kind=kind[0],
            mac=spelled(bytes(message.chaddr[:6])),
            wanted=_address(options.get(dhcp.DHCP_OPT_REQ_IP)),
            server=_address(options.get(dhcp.DHCP_OPT_SERVER_ID)),
            name="".join(each for each in name if each.isalnum() or each in "-.")[:NAME_MAX],
            client_id=options.get(dhcp.DHCP_OPT_CLIENT_ID, b"").hex(":"),
            current=IPv4Address(message.ciaddr),
        )


class Server:
    """The leases of a switch, by MAC; ``changes`` counts what became of them. ``now``: Unix time."""

    def __init__(self, config: Config, leases: Sequence[Lease] = ()) -> None:
        self.leases = {lease.mac: lease for lease in leases}
        self.changes = 0
        self.use(config)

    def use(self, config: Config) -> None:
        """From now on; what is leased stays."""
        self._config = config
        self._here = IPv4Interface(config.address)

    def answer(self, message: dhcp.DHCP, now: int) -> dhcp.DHCP | None:
        """What the client is told, if anything."""
        asked = Asked.of(message)
        if asked is None or asked.server not in (None, self._here.ip):
            return None
        match asked.kind:
            case dhcp.DHCPDISCOVER:
                found = self._lease(asked, now, taken=False)
                return None if found is None else self._reply(message, dhcp.DHCPOFFER, found)
            case dhcp.DHCPREQUEST:
                return self._requested(message, asked, now)
            case dhcp.DHCPRELEASE | dhcp.DHCPDECLINE:
                self._drop(asked.mac)
            case dhcp.DHCPINFORM:
                return self._reply(message, dhcp.DHCPACK, None)
        return None

    def _requested(self, message: dhcp.DHCP, asked: Asked, now: int) -> dhcp.DHCP:
        wanted = asked.wanted or asked.current
        lease = self._lease(asked, now, taken=True)
        if lease is None or lease.address != wanted:
            self._drop(asked.mac)
            return self._reply(message, dhcp.DHCPNAK, None)
        return self._reply(message, dhcp.DHCPACK, lease)

    def _drop(self, mac: str) -> None:
        if self.leases.pop(mac, None) is not None:
            self.changes += 1

    def _lease(self, asked: Asked, now: int, *, taken: bool) -> Lease | None:
        """What the client has or gets; None when nothing is left."""
        address = next(self._choices(asked, now), None)
        if address is None:
            return None
        seconds = self._config.lease if taken else OFFERED
        expiry = now + seconds if seconds else 0
        held = self.leases.get(asked.mac)
        name = self._named(asked, address) or (held.name if held else "")
        made = Lease(asked.mac, address, expiry, name, asked.client_id, taken or bool(held and held.taken))
        if made != held:
            self.leases[asked.mac] = made
            self.changes += 1
        return made

    def _choices(self, asked: Asked, now: int) -> Iterator[IPv4Address]:
        """Addresses for this client, the best first: its own, the one it has, the one it wants, any."""
        reserved = self._reserved(asked)
        if reserved is not None:
            yield reserved
            return
        free = self._free(asked.mac, now)
        held = self.leases.get(asked.mac)
        for address in (held.address if held else None, asked.wanted, asked.current):
            if address is not None and free(address):
                yield address
        yield from (address for address in self._pool() if free(address))

    def _reserved(self, asked: Asked) -> IPv4Address | None:
        hosts = self._config.hosts
        mine = [host for host in hosts if host.mac == asked.mac]
        named = [host for host in hosts if not host.mac and host.name and host.name == asked.name]
        return next((IPv4Address(host.address) for host in (*mine, *named)), None)

    def _free(self, mac: str, now: int) -> _Free:
        busy = {each.address for each in self.leases.values() if each.mac != mac and each.holds(now)}
        kept = {IPv4Address(host.address) for host in self._config.hosts}
        ranges = [(IPv4Address(first), IPv4Address(last)) for first, last in self._config.ranges]
        return _Free(frozenset({*busy, *kept, self._here.ip}), ranges)

    def _pool(self) -> Iterator[IPv4Address]:
        for first, last in self._config.ranges:
            yield from map(IPv4Address, range(int(IPv4Address(first)), int(IPv4Address(last)) + 1))

    def _named(self, asked: Asked, address: IPv4Address) -> str:
        given = (host.name for host in self._config.hosts if IPv4Address(host.address) == address)
        return next(given, "") or asked.name

    def _reply(self, message: dhcp.DHCP, kind: int, lease: Lease | None) -> dhcp.DHCP:
        file, server = self._config.boot
        return dhcp.DHCP(
            op=dhcp.DHCP_OP_REPLY,
            xid=message.xid,
            flags=message.flags,
            ciaddr=message.ciaddr if kind == dhcp.DHCPACK else 0,
            yiaddr=int(lease.address) if lease else 0,
            siaddr=int(IPv4Address(server)) if server else int(self._here.ip),
            giaddr=message.giaddr,
            chaddr=message.chaddr,
            file=file.encode()[:127].ljust(128, b"\0"),
            opts=list(self._options(kind, lease)),
        )

    def _options(self, kind: int, lease: Lease | None) -> Iterator[tuple[int, bytes]]:
        here = self._here
        yield dhcp.DHCP_OPT_MSGTYPE, bytes([kind])
        yield dhcp.DHCP_OPT_SERVER_ID, here.ip.packed
        if kind == dhcp.DHCPNAK:
            return
        if lease is not None:
            seconds = self._config.lease or EVER
            yield dhcp.DHCP_OPT_LEASE_SEC, seconds.to_bytes(4, "big")
        yield dhcp.DHCP_OPT_NETMASK, here.netmask.packed
        yield 28, here.network.broadcast_address.packed
        yield dhcp.DHCP_OPT_ROUTER, here.ip.packed
        if self._config.answers:
            yield dhcp.DHCP_OPT_DNS_SVRS, here.ip.packed
        if self._config.domain:
            yield dhcp.DHCP_OPT_DOMAIN, self._config.domain.encode()
        if self._config.mtu:
            yield 26, self._config.mtu.to_bytes(2, "big")
        if lease is not None and lease.name:
            yield dhcp.DHCP_OPT_HOSTNAME, lease.name.encode()


@dataclass(frozen=True)
class _Free:
    taken: frozenset[IPv4Address]
    ranges: Sequence[tuple[IPv4Address, IPv4Address]]

    def __call__(self, address: IPv4Address) -> bool:
        return address not in self.taken and any(first <= address <= last for first, last in self.ranges)


def _address(raw: bytes | None) -> IPv4Address | None:
    return IPv4Address(raw) if raw is not None and len(raw) == 4 else None


# The file of leases has dnsmasq's form: expiry, MAC, address, name or *, client id or *.


def parsed(text: str) -> list[Lease]:
    """Leases of a file; a line that is none is left out: only a program of our own writes it."""
    rows = (line.split() for line in text.splitlines())
    return [
        Lease(row[1], IPv4Address(row[2]), int(row[0]), _plain(row[3]), _plain(row[4]))
        for row in rows
        if len(row) == 5
    ]


def rendered(leases: Sequence[Lease]) -> str:
    """The file: what was only offered is not in it."""
    return "".join(
        f"{lease.expiry} {lease.mac} {lease.address} {lease.name or '*'} {lease.client_id or '*'}\n"
        for lease in leases
        if lease.taken
    )


def _plain(word: str) -> str:
    return "" if word == "*" else word
