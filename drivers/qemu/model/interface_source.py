"""``<source>`` of a network card: what it is plugged into, by the card's ``type``; addresses and routes."""

from __future__ import annotations

from embervirt.drivers.xml import Element, attr, child, children, choice, integer, yes_no
from embervirt.errors import ConfigUnsupported

PORT = integer(0, 65535)


class Ip(Element, tag="ip"):
    """Of the network behind a card (``user``), or of the host's side of a tap (``ethernet``)."""

    address: str = attr("address")
    family: str | None = attr("family", choice("ipv4", "ipv6"), default=None)
    prefix: int | None = attr("prefix", integer(0, 128), default=None)
    peer: str | None = attr("peer", default=None)


class Route(Element, tag="route"):
    family: str | None = attr("family", choice("ipv4", "ipv6"), default=None)
    address: str = attr("address")
    netmask: str | None = attr("netmask", default=None)
    prefix: int | None = attr("prefix", integer(0, 128), default=None)
    gateway: str = attr("gateway")
    metric: int | None = attr("metric", integer(1, 2**32 - 1), default=None)


class LocalEnd(Element, tag="local"):
    """The near end of a UDP tunnel."""

    address: str | None = attr("address", default=None)
    port: int | None = attr("port", PORT, default=None)


class VhostReconnect(Element, tag="reconnect"):
    """Whether QEMU connects again to a vhost-user program that went; ``timeout`` in seconds."""

    enabled: bool | None = attr("enabled", yes_no, default=None)
    timeout: int | None = attr("timeout", integer(0, 2**31 - 1), default=None)


class InterfaceSource(Element, tag="source"):
    """Only what ``FIELDS`` says of the card's type is kept.

    ``portid``, and of a network ``bridge``, ``dev`` and ``mode``, are of a run: where it was plugged in.
    """

    network: str | None = attr("network", default=None)
    portgroup: str | None = attr("portgroup", default=None)
    portid: str | None = attr("portid", default=None)
    bridge: str | None = attr("bridge", default=None)
    dev: str | None = attr("dev", default=None)
    mode: str | None = attr(
        "mode", choice("vepa", "private", "bridge", "passthrough", "client", "server"), default=None
    )
    type: str | None = attr("type", choice("unix", error=ConfigUnsupported), default=None)
    path: str | None = attr("path", default=None)
    address: str | None = attr("address", default=None)
    port: int | None = attr("port", PORT, default=None)
    name: str | None = attr("name", default=None)
    local: LocalEnd | None = child(LocalEnd, default=None)
    reconnect: VhostReconnect | None = child(VhostReconnect, default=None)
    ips: tuple[Ip, ...] = children(Ip, default=())
    routes: tuple[Route, ...] = children(Route, default=())


FIELDS: dict[str, tuple[str, ...]] = {
    "network": ("network", "portgroup"),
    "bridge": ("bridge",),
    "direct": ("dev", "mode"),
    "ethernet": ("ips", "routes"),
    "user": ("dev",),
    "udp": ("address", "port", "local"),
    "mcast": ("address", "port"),
    "client": ("address", "port"),
    "server": ("address", "port"),
    "vhostuser": ("type", "path", "mode", "reconnect"),
    "internal": ("name",),
}
"""What a source says, by the card's type."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "network": ("network",),
    "bridge": ("bridge",),
    "direct": ("dev",),
    "udp": ("address", "port"),
    "mcast": ("address", "port"),
    "client": ("address", "port"),
    "server": ("port",),
    "vhostuser": ("type", "path", "mode"),
    "internal": ("name",),
}
"""What it must say; other types need no source."""
