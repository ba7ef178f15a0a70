"""``<ip>`` and ``<route>``: addresses of the bridge, DHCP and TFTP on them, and ways to elsewhere."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from embervirt.drivers.network.errors import NetworkSystemError
from embervirt.drivers.network.model.addresses import IpCodec
from embervirt.drivers.xml import Element, attr, child, children, choice, integer, yes_no
from embervirt.drivers.xml.ip import Address

Subnet = IPv4Network | IPv6Network
Interface = IPv4Interface | IPv6Interface
_address = IpCodec()
_range = IpCodec(NetworkSystemError)
_family = choice("ipv4", "ipv6")
_prefix = integer(0, 2**32 - 1)


def classful(address: Address) -> int:
    """The prefix that goes without saying: 0 of no address, by the class (RFC 791) for IPv4, 64 for IPv6."""
    if not int(address):
        return 0
    if address.version == 6:
        return 64
    first = address.packed[0]
    return 8 if first < 128 else 16 if first < 192 else 24


def prefix_of(address: Address, netmask: Address | None, prefix: int | None) -> int:
    """The length of the prefix; ValueError for a netmask that is none."""
    if prefix is not None:
        return prefix
    if netmask is None:
        return classful(address)
    bits = f"{int(netmask):0{netmask.max_prefixlen}b}"
    if "01" in bits:
        raise ValueError(str(netmask))
    return bits.count("1")


class Lease(Element, tag="lease"):
    """How long a guest may keep an address; 0 is for ever."""

    expiry: int | None = attr("expiry", integer(0, 2**64 - 1), default=None)
    unit: str | None = attr("unit", choice("seconds", "minutes", "hours"), default=None)


class DhcpRange(Element, tag="range"):
    """Addresses that are given away, both ends included."""

    start: Address | None = attr("start", _range, default=None)
    end: Address | None = attr("end", _range, default=None)
    lease: Lease | None = child(Lease, default=None)


class DhcpHost(Element, tag="host"):
    """What one guest gets, who is known by MAC address, (IPv6) DUID, or name."""

    mac: str | None = attr("mac", default=None)
    id: str | None = attr("id", default=None)
    name: str | None = attr("name", default=None)
    ip: Address | None = attr("ip", _address, default=None)
    lease: Lease | None = child(Lease, default=None)


class Bootp(Element, tag="bootp"):
    """What a guest boots from the network; ``server`` when it is not the bridge."""

    file: str | None = attr("file", default=None)
    server: Address | None = attr("server", _range, default=None)


class Dhcp(Element, tag="dhcp"):
    ranges: tuple[DhcpRange, ...] = children(DhcpRange, default=())
    hosts: tuple[DhcpHost, ...] = children(DhcpHost, default=())
    bootp: Bootp | None = child(Bootp, default=None)


class Tftp(Element, tag="tftp"):
    """``root``: the directory that is served."""

    root: str | None = attr("root", default=None)


class Ip(Element, tag="ip"):
    """An address of the bridge. ``local_ptr``: reverse look-ups of the subnet are not forwarded."""

    family: str | None = attr("family", _family, default=None)
    address: Address | None = attr("address", _address, default=None)
    netmask: Address | None = attr("netmask", _address, default=None)
    prefix: int | None = attr("prefix", _prefix, default=None)
    local_ptr: bool | None = attr("localPtr", yes_no, default=None)
    tftp: Tftp | None = child(Tftp, default=None)
    dhcp: Dhcp | None = child(Dhcp, default=None)

    @property
    def interface(self) -> Interface:
        """Address and prefix; of one that was validated."""
        return interface(self.address, self.netmask, self.prefix)

    @property
    def subnet(self) -> Subnet:
        """The subnet that it is in; of one that was validated."""
        return self.interface.network

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.interface.version


class Route(Element, tag="route"):
    """A subnet that is reached by way of a guest."""

    family: str | None = attr("family", _family, default=None)
    address: Address | None = attr("address", _address, default=None)
    netmask: Address | None = attr("netmask", _address, default=None)
    prefix: int | None = attr("prefix", _prefix, default=None)
    gateway: Address | None = attr("gateway", _address, default=None)
    metric: int | None = attr("metric", integer(1, 2**32 - 1), default=None)

    @property
    def subnet(self) -> Subnet:
        """The destination; of one that was validated."""
        return interface(self.address, self.netmask, self.prefix).network


@lru_cache(maxsize=256)
def interface(address: Address | None, netmask: Address | None, prefix: int | None) -> Interface:
    """An address with its prefix; ValueError when it has none."""
    if address is None:
        raise ValueError("no address")
    length = prefix_of(address, netmask, prefix)
    return IPv4Interface((address, length)) if address.version == 4 else IPv6Interface((address, length))
