"""``<interface>``: a network card and what it is connected to."""

from __future__ import annotations

from embervirt.drivers.qemu.model.address import Address, Alias
from embervirt.drivers.xml import Element, attr, child, choice, mac
from embervirt.errors import ConfigUnsupported

_LATER = (
    "ethernet",
    "network",
    "bridge",
    "internal",
    "direct",
    "hostdev",
    "vhostuser",
    "udp",
    "server",
    "client",
    "mcast",
)


class Mac(Element, tag="mac", refuse=("@check", "@type")):
    address: str = attr("address", mac)


class InterfaceModel(Element, tag="model"):
    type: str = attr("type", choice("virtio", "e1000", "e1000e", "rtl8139", error=ConfigUnsupported))


class Interface(
    Element,
    tag="interface",
    refuse=(
        *("@managed", "@trustGuestRxFilters", "source", "virtualport", "backend", "portForward", "bandwidth"),
        *(
            "driver",
            "boot",
            "rom",
            "acpi",
            "mtu",
            "link",
            "filterref",
            "tune",
            "vlan",
            "guest",
            "ip",
            "route",
        ),
        *("coalesce", "teaming", "port", "script", "downscript"),
    ),
):
    type: str = attr("type", choice("user", later=(*_LATER, "vdpa", "null", "vds")))
    mac: Mac | None = child(Mac, default=None)
    model: InterfaceModel | None = child(InterfaceModel, default=None)
    alias: Alias | None = child(Alias, default=None)
    address: Address | None = child(Address, default=None)
