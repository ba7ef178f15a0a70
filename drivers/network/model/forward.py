"""``<forward>``: how guests reach what is outside."""

from __future__ import annotations

from embervirt.drivers.network.errors import NetworkUnsupported, NetworkXmlDetail
from embervirt.drivers.network.model.addresses import IpCodec, PciAddress
from embervirt.drivers.xml import Element, attr, child, children, choice, integer, yes_no
from embervirt.drivers.xml.ip import Address

MODES = ("none", "nat", "route", "open", "bridge", "private", "vepa", "passthrough", "hostdev")
_port = integer(0, 65535, NetworkXmlDetail)
_connections = integer(0, 2**31 - 1)


class NatAddress(Element, tag="address"):
    """The range of source addresses that guests appear under."""

    start: Address | None = attr("start", IpCodec(), default=None)
    end: Address | None = attr("end", IpCodec(), default=None)


class NatPort(Element, tag="port"):
    """The range of their source ports."""

    start: int | None = attr("start", _port, default=None)
    end: int | None = attr("end", _port, default=None)


class Nat(Element, tag="nat"):
    """``ipv6``: IPv6 is translated as well."""

    ipv6: bool | None = attr("ipv6", yes_no, default=None)
    address: NatAddress | None = child(NatAddress, default=None)
    port: NatPort | None = child(NatPort, default=None)


class ForwardInterface(Element, tag="interface"):
    """A link of the host. ``connections``: how many guests use it (told, never heard)."""

    dev: str | None = attr("dev", default=None)
    connections: int | None = attr("connections", _connections, default=None)


class ForwardPf(Element, tag="pf"):
    """The physical function of an SR-IOV card, whose virtual functions are the pool."""

    dev: str | None = attr("dev", default=None)
    connections: int | None = attr("connections", _connections, default=None)


class ForwardAddress(PciAddress, tag="address"):
    """A device that guests get, by its address."""

    connections: int | None = attr("connections", _connections, default=None)


class ForwardDriver(Element, tag="driver"):
    name: str | None = attr("name", choice("kvm", "vfio", error=NetworkUnsupported), default=None)


class Forward(Element, tag="forward"):
    """``dev`` is the first of ``interfaces``."""

    dev: str | None = attr("dev", default=None)
    mode: str | None = attr("mode", choice(*MODES, error=NetworkUnsupported), default=None)
    managed: bool | None = attr("managed", yes_no, default=None)
    driver: ForwardDriver | None = child(ForwardDriver, default=None)
    nat: Nat | None = child(Nat, default=None)
    pfs: tuple[ForwardPf, ...] = children(ForwardPf, default=())
    interfaces: tuple[ForwardInterface, ...] = children(ForwardInterface, default=())
    addresses: tuple[ForwardAddress, ...] = children(ForwardAddress, default=())
