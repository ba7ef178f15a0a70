"""Links, their addresses and routes, by netlink; for one thread, in the network namespace that it is in."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from pyroute2 import IPRoute  # type: ignore[import-untyped]
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

from embervirt.drivers.network.errors import told

Interface = IPv4Interface | IPv6Interface
Subnet = IPv4Network | IPv6Network
Gateway = IPv4Address | IPv6Address

UP = 1
"""IFF_UP (netdevice(7))."""


@dataclass(frozen=True)
class Link:
    """A link as it is. ``kind``: ``bridge``, ``tun``, ``macvtap``, ... or empty; ``master``: index, or 0."""

    index: int
    name: str
    kind: str
    mac: str
    mtu: int
    up: bool
    master: int


@dataclass(frozen=True)
class BridgeWish:
    """A bridge that is to be. ``delay`` in seconds; ``mtu`` 0 for the kernel's."""

    name: str
    mac: str
    mtu: int = 0
    stp: bool = True
    delay: int = 0


DEFAULT_CLASS = 2
"""Minor number of the class of what has no other, as libvirt has it; 1 is all of them."""


@dataclass(frozen=True)
class Shape:
    """Bytes a second on average and at most, and bytes at once (0: the kernel's own idea)."""

    rate: int
    ceil: int
    burst: int = 0


def called(index: int) -> str:
    """A link in a message: one that is gone has only its number."""
    try:
        return f"link '{socket.if_indextoname(index)}'"
    except OSError:
        return f"link {index}"


class Links:
    """Each call raises NetworkSystemError for what the kernel refuses."""

    def __init__(self) -> None:
        with told("open a netlink socket"):
            self._ip = IPRoute()

    def close(self) -> None:
        """Once."""
        self._ip.close()

    # Looking.

    def find(self, name: str) -> Link | None:
        """The link of that name, if there is one."""
        try:
            with told(f"look for link {name}"):
                found = self._call("get", ifname=name)
        except NetworkGone:
            return None
        return _link(found[0]) if found else None

    @staticmethod
    def index(name: str) -> int:
        """Of a link that must be there. Raises NetworkSystemError (ENODEV)."""
        try:
            return socket.if_nametoindex(name)
        except OSError:  # without an errno
            with told(f"Cannot get interface index on '{name}'"):
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from None

    @staticmethod
    def names() -> dict[int, str]:
        """Of all links, by index."""
        with told("list links"):
            return dict(socket.if_nameindex())

    @staticmethod
    def exists(name: str) -> bool:
        """Whether there is a link of that name."""
        try:
            return socket.if_nametoindex(name) > 0
        except OSError:
            return False

    def addresses(self) -> list[tuple[int, Interface]]:
        """Index of the link, and an address with its prefix."""
        with told("list addresses"):
            found = list(self._ip.get_addr())
        return [
            (each["index"], _interface(str(each.get("local") or each.get("address")), each["prefixlen"]))
            for each in found
            if each.get("local") or each.get("address")
        ]

    def routes(self) -> list[tuple[int, Subnet]]:
        """Index of the link, and a destination; without the default routes."""
        with told("list routes"):
            found = list(self._ip.get_routes(table=254))
        return [
            (each.get("oif") or 0, _interface(str(each.get("dst")), each["dst_len"]).network)
            for each in found
            if each.get("dst")
        ]

    # Bridges.

    def make_bridge(self, wish: BridgeWish) -> int:
        """Down; its index. EEXIST when there is a link of that name."""
        options: dict[str, Any] = {
            "br_forward_delay": wish.delay * 100,
            "br_stp_state": int(wish.stp),
        }
        if wish.mtu:
            options["mtu"] = wish.mtu
        with told(f"error creating bridge interface {wish.name}"):
            self._call("add", ifname=wish.name, kind="bridge", address=wish.mac, **options)
        return self.index(wish.name)

    def filter_vlans(self, name: str) -> None:
        """Let a bridge tell VLANs apart; all ports, and the bridge, are in VLAN 1 as they were."""
        with told(f"Unable to set bridge {name} vlan_filtering"):
            self._call("set", index=self.index(name), kind="bridge", br_vlan_filtering=1)

    def remove(self, index: int) -> None:
        """No error when it is gone."""
        try:
            with told(f"remove {called(index)}"):
                self._call("del", index=index)
        except NetworkGone:
            return

    def set(self, index: int, **what: Any) -> None:
        """``state``: up or down, ``mtu``, ``address``, ``master`` ..."""
        with told(f"set {', '.join(what)} of {called(index)}"):
            self._call("set", index=index, **what)

    def add_address(self, index: int, address: Interface) -> None:
        """With its broadcast address for IPv4; no error when it has it."""
        more = {}
        if address.version == 4 and address.network.prefixlen < 31:
            more["broadcast"] = str(address.network.broadcast_address)
        with told(f"Failed to add IP address {address} to {called(index)}"):
            self._unless_there(
                lambda: self._ip.addr(
                    "add", index=index, address=str(address.ip), prefixlen=address.network.prefixlen, **more
                )
            )

    def add_route(self, index: int, subnet: Subnet, gateway: Gateway, metric: int) -> None:
        """By way of ``gateway``, which is behind that link; no error when it is there."""
        with told(f"Failed to add route {subnet} via {gateway}"):
            self._unless_there(
                lambda: self._ip.route(
                    "add", dst=str(subnet), gateway=str(gateway), oif=index, priority=metric
                )
            )

    # Ports of bridges.

    def join(self, index: int, bridge: int) -> None:
        """Put a link into a bridge."""
        self.set(index, master=bridge)

    def port(self, index: int, **options: int) -> None:
        """``isolated``, ``learning``, ``unicast_flood``, ``mcast_flood``: 0 or 1."""
        with told(f"set {', '.join(options)} of the bridge port of {called(index)}"):
            self._ip.brport("set", index=index, **options)

    def vlan(self, index: int, tags: Iterable[tuple[int, bool]]) -> None:
        """VLANs of a bridge's port: (id, whether its frames are untagged there). VLAN 1 is taken away."""
        with told(f"set VLANs of the bridge port of {called(index)}"):
            wanted = list(tags)
            for id_, untagged in wanted:
                flags = ["pvid", "untagged"] if untagged else []
                self._ip.vlan_filter("add", index=index, vlan_info={"vid": id_, "flags": flags})
            if all(id_ != 1 for id_, _ in wanted):
                self._ip.vlan_filter("del", index=index, vlan_info={"vid": 1})

    def know(self, index: int, mac: str) -> None:
        """A bridge's port has this address behind it, for good."""
        with told(f"add {mac} to the addresses behind link {index}"):
            self._unless_there(lambda: self._ip.fdb("add", ifindex=index, lladdr=mac, NDM_FLAGS="master"))

    # What a link sends.

    def shape(self, index: int, shape: Shape | None) -> None:
        """Let a link send no faster than that; None: as fast as it can. Its queues are made anew."""
        with told(f"limit what link {index} sends"):
            self._unless_gone(lambda: self._ip.tc("del", index=index, root=True))
            if shape is not None:
                self._ip.tc("add", "htb", index, 0x10000, default=DEFAULT_CLASS)
                self._class(index, 1, 0x10000, shape)
                self._class(index, DEFAULT_CLASS, 0x10001, shape)

    def _class(self, index: int, minor: int, parent: int, shape: Shape) -> None:
        more = {"burst": shape.burst} if shape.burst else {}
        self._ip.tc(
            "add-class",
            "htb",
            index,
            0x10000 + minor,
            parent=parent,
            rate=shape.rate,
            ceil=shape.ceil,
            **more,
        )

    # Links on links.

    def make_macvtap(self, name: str, below: str, mode: str, mac: str, mtu: int) -> int:
        """Down; its index. Its device is ``/dev/tapINDEX``."""
        more: dict[str, Any] = {"mtu": mtu} if mtu else {}
        with told(f"error creating macvtap interface {name}@{below} ({mac})"):
            self._call(
                "add", ifname=name, kind="macvtap", link=self.index(below), macvtap_mode=MODES[mode],
                address=mac, **more,
            )  # fmt: skip
        return self.index(name)

    def _call(self, what: str, **arguments: Any) -> list[Any]:
        try:
            return list(self._ip.link(what, **arguments))
        except NetlinkError as error:
            if error.code == errno.ENODEV and what in ("get", "del"):
                raise NetworkGone from error
            raise

    @staticmethod
    def _unless_gone(change: Callable[[], object]) -> None:
        try:
            change()
        except NetlinkError as error:
            if error.code not in (errno.ENOENT, errno.EINVAL):
                raise

    @staticmethod
    def _unless_there(change: Callable[[], object]) -> None:
        try:
            change()
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise


class NetworkGone(Exception):
    """There is no such link."""


MODES = {"vepa": "vepa", "private": "private", "bridge": "bridge", "passthrough": "passthru"}
"""libvirt's words for the kernel's."""


def _link(said: Any) -> Link:
    info = said.get("linkinfo")
    kind = info.get("kind") if info else None
    return Link(
        index=said["index"],
        name=said.get("ifname"),
        kind=str(kind or ""),
        mac=str(said.get("address") or ""),
        mtu=int(said.get("mtu") or 0),
        up=bool(said["flags"] & UP),
        master=int(said.get("master") or 0),
    )


def _interface(address: str, prefix: int) -> Interface:
    if ":" in address:
        return IPv6Interface((address, prefix))
    return IPv4Interface((address, prefix))
