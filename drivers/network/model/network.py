"""``<network>``: the whole of it."""

from __future__ import annotations

from lxml import etree

from embervirt.drivers.network.errors import NetworkInternal
from embervirt.drivers.network.model.bridge import Bridge, Domain, Mac, Mtu
from embervirt.drivers.network.model.dns import Dns
from embervirt.drivers.network.model.forward import Forward
from embervirt.drivers.network.model.ip import Ip, Route
from embervirt.drivers.network.model.traffic import Bandwidth, PortGroup, PortOptions, VirtualPort, Vlan
from embervirt.drivers.xml import Element, attr, child, children, foreign, integer, raw, text, yes_no
from embervirt.drivers.xml.codecs import Uuid

DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"
"""The namespace of options that are handed on to dnsmasq without a word about them."""

OWN_BRIDGE = ("none", "nat", "route", "open")
"""Modes in which the bridge is made here; the others use what the host has."""


class Network(Element, tag="network"):
    """A network. ``connections``: how many guests use it (told, never heard)."""

    ipv6: bool | None = attr("ipv6", yes_no, default=None)
    trust_guest_rx_filters: bool | None = attr("trustGuestRxFilters", yes_no, default=None)
    connections: int | None = attr("connections", integer(0, 2**31 - 1), default=None)
    name: str | None = text("name", default=None)
    uuid: str | None = text("uuid", Uuid(NetworkInternal), default=None)
    metadata: str | None = raw("metadata", default=None)
    forward: Forward | None = child(Forward, default=None)
    bridge: Bridge | None = child(Bridge, default=None)
    mtu: Mtu | None = child(Mtu, default=None)
    mac: Mac | None = child(Mac, default=None)
    domain: Domain | None = child(Domain, default=None)
    dns: Dns | None = child(Dns, default=None)
    vlan: Vlan | None = child(Vlan, default=None)
    bandwidth: Bandwidth | None = child(Bandwidth, default=None)
    port: PortOptions | None = child(PortOptions, default=None)
    ips: tuple[Ip, ...] = children(Ip, default=())
    routes: tuple[Route, ...] = children(Route, default=())
    virtualport: VirtualPort | None = child(VirtualPort, default=None)
    portgroups: tuple[PortGroup, ...] = children(PortGroup, default=())
    foreign: tuple[str, ...] = foreign(default=())

    @property
    def mode(self) -> str:
        """How it forwards; ``none``: it is isolated."""
        return (self.forward.mode or "nat") if self.forward else "none"

    @property
    def own_bridge(self) -> bool:
        """Whether its bridge is made here."""
        return self.mode in OWN_BRIDGE

    @property
    def bridge_name(self) -> str:
        """ "" when it has none (yet)."""
        return (self.bridge.name if self.bridge else None) or ""

    @property
    def options(self) -> tuple[str, ...]:
        """Lines of ``<dnsmasq:options>``; an option without a value is an empty one."""
        return tuple(each.get("value", "") for each in self._options())

    @property
    def valueless_options(self) -> bool:
        """Whether an option says nothing at all."""
        return any(each.get("value") is None for each in self._options())

    def _options(self) -> list[etree._Element]:
        given = (etree.fromstring(xml) for xml in self.foreign)
        return [each for root in given for each in root.iterchildren(f"{{{DNSMASQ}}}option")]
