"""``<networkport>``: one guest's place in a network, as the ports API tells it."""

from __future__ import annotations

from embervirt.drivers.network.errors import NetworkInternal
from embervirt.drivers.network.model.addresses import PciAddress
from embervirt.drivers.network.model.bridge import Mac
from embervirt.drivers.network.model.traffic import Bandwidth, PortOptions, VirtualPort, Vlan
from embervirt.drivers.xml import Element, attr, child, choice, text, yes_no
from embervirt.drivers.xml.codecs import Uuid


class PortOwner(Element, tag="owner"):
    """The domain that has it."""

    name: str | None = text("name", default=None)
    uuid: str | None = text("uuid", Uuid(NetworkInternal), default=None)


class RxFilters(Element, tag="rxfilters"):
    trust_guest: bool | None = attr("trustGuest", yes_no, default=None)


class PlugDriver(Element, tag="driver"):
    name: str | None = attr("name", choice("kvm", "vfio"), default=None)


class PortPlug(Element, tag="plug"):
    """What the port is plugged into."""

    type: str = attr("type", choice("none", "network", "bridge", "direct", "hostdev-pci"))
    bridge: str | None = attr("bridge", default=None)
    mac_table_manager: str | None = attr("macTableManager", choice("kernel", "libvirt"), default=None)
    dev: str | None = attr("dev", default=None)
    mode: str | None = attr("mode", choice("vepa", "private", "bridge", "passthrough"), default=None)
    managed: bool | None = attr("managed", yes_no, default=None)
    driver: PlugDriver | None = child(PlugDriver, default=None)
    address: PciAddress | None = child(PciAddress, default=None)


class NetworkPort(Element, tag="networkport"):
    uuid: str | None = text("uuid", Uuid(NetworkInternal), default=None)
    owner: PortOwner | None = child(PortOwner, default=None)
    group: str | None = text("group", default=None)
    mac: Mac | None = child(Mac, default=None)
    virtualport: VirtualPort | None = child(VirtualPort, default=None)
    bandwidth: Bandwidth | None = child(Bandwidth, default=None)
    rxfilters: RxFilters | None = child(RxFilters, default=None)
    port: PortOptions | None = child(PortOptions, default=None)
    vlan: Vlan | None = child(Vlan, default=None)
    plug: PortPlug | None = child(PortPlug, default=None)
