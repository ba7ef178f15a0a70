"""``<dns>``: what the network's name server knows and whom it asks."""

from __future__ import annotations

from embervirt.drivers.network.errors import NetworkXmlDetail
from embervirt.drivers.network.model.addresses import IpCodec
from embervirt.drivers.xml import Element, attr, children, content, integer, yes_no
from embervirt.drivers.xml.ip import Address


class Forwarder(Element, tag="forwarder"):
    """Who is asked, about ``domain`` only when one is given; a domain without address: nobody."""

    domain: str | None = attr("domain", default=None)
    addr: Address | None = attr("addr", IpCodec(), default=None)


class Txt(Element, tag="txt"):
    name: str | None = attr("name", default=None)
    value: str | None = attr("value", default=None)


class Srv(Element, tag="srv"):
    service: str | None = attr("service", default=None)
    protocol: str | None = attr("protocol", default=None)
    domain: str | None = attr("domain", default=None)
    target: str | None = attr("target", default=None)
    port: int | None = attr("port", integer(1, 65535, NetworkXmlDetail), default=None)
    priority: int | None = attr("priority", integer(0, 65535, NetworkXmlDetail), default=None)
    weight: int | None = attr("weight", integer(0, 65535, NetworkXmlDetail), default=None)


class Hostname(Element, tag="hostname"):
    name: str | None = content(default=None)


class DnsHost(Element, tag="host"):
    """Names of one address."""

    ip: Address | None = attr("ip", IpCodec(NetworkXmlDetail), default=None)
    hostnames: tuple[Hostname, ...] = children(Hostname, default=())

    @property
    def names(self) -> tuple[str, ...]:
        """The names in their order."""
        return tuple(each.name for each in self.hostnames if each.name)


class Dns(Element, tag="dns"):
    """``enable`` no: no name server. ``forward_plain_names`` no: names without a dot stay here."""

    enable: bool | None = attr("enable", yes_no, default=None)
    forward_plain_names: bool | None = attr("forwardPlainNames", yes_no, default=None)
    forwarders: tuple[Forwarder, ...] = children(Forwarder, default=())
    txts: tuple[Txt, ...] = children(Txt, default=())
    srvs: tuple[Srv, ...] = children(Srv, default=())
    hosts: tuple[DnsHost, ...] = children(DnsHost, default=())
