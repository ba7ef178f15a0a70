"""The bridge of a network: its name, MAC address, MTU and DNS domain."""

from __future__ import annotations

from embervirt.drivers.xml import Element, attr, choice, integer, mac, on_off, yes_no


class Bridge(Element, tag="bridge"):
    """``delay`` of forwarding, in seconds. Without a name the driver gives one that is free."""

    name: str | None = attr("name", default=None)
    zone: str | None = attr("zone", default=None)
    stp: bool | None = attr("stp", on_off, default=None)
    delay: int | None = attr("delay", integer(0, 2**64 - 1), default=None)
    mac_table_manager: str | None = attr("macTableManager", choice("kernel", "libvirt"), default=None)


class Mac(Element, tag="mac"):
    address: str = attr("address", mac)


class Mtu(Element, tag="mtu"):
    """In bytes."""

    size: int = attr("size", integer(0, 2**32 - 1))


class Domain(Element, tag="domain"):
    """The DNS domain of the guests; ``local_only``: questions about it are not forwarded."""

    name: str | None = attr("name", default=None)
    local_only: bool | None = attr("localOnly", yes_no, default=None)
    register: bool | None = attr("register", yes_no, default=None)
