"""``<interface>``: a network card and what it is connected to."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import VIRTIO, Boot, Device, Rom, VirtioDriver
from embervirt.drivers.qemu.model.interface_network import (
    Bandwidth,
    Coalesce,
    FilterRef,
    InterfaceBackend,
    PortForward,
    VirtualPort,
    Vlan,
)
from embervirt.drivers.qemu.model.interface_source import InterfaceSource, Ip, Route
from embervirt.drivers.xml import (
    Element,
    Text,
    attr,
    child,
    children,
    choice,
    integer,
    mac,
    on_off,
    text,
    yes_no,
)
from embervirt.errors import ConfigUnsupported, InvalidArgument

PLUGGED = ("network", "bridge", "direct", "ethernet")
"""Types whose other end the network driver makes."""

TYPES = ("user", *PLUGGED, "udp", "server", "client", "mcast", "vhostuser", "internal", "null")
LATER = ("hostdev", "vdpa", "vds")
_UNSIGNED = integer(0, 2**32 - 1)
_MODEL = Text("[A-Za-z0-9_-]{1,60}", "letters, digits, '-', '_'", InvalidArgument)


class Mac(Element, tag="mac"):
    address: str = attr("address", mac)
    type: str | None = attr("type", choice("static", "generated"), default=None)
    check: bool | None = attr("check", yes_no, default=None)


class InterfaceModel(Element, tag="model"):
    """``virtio`` and its two kin, or any network card that QEMU has (``e1000``, ``rtl8139``...)."""

    type: str = attr("type", _MODEL)


class Offloads(Element, tag="host"):
    """What the card may leave to the other side."""

    csum: bool | None = attr("csum", on_off, default=None)
    gso: bool | None = attr("gso", on_off, default=None)
    tso4: bool | None = attr("tso4", on_off, default=None)
    tso6: bool | None = attr("tso6", on_off, default=None)
    ecn: bool | None = attr("ecn", on_off, default=None)
    ufo: bool | None = attr("ufo", on_off, default=None)
    mrg_rxbuf: bool | None = attr("mrg_rxbuf", on_off, default=None)


class InterfaceDriver(VirtioDriver, tag="driver"):
    """Of virtio cards only; ``name`` vhost is a wish that is followed where the host has it.

    Other names are for a device of the host that a network may give instead of a card.
    """

    name: str | None = attr("name", choice("qemu", "vhost", "kvm", "vfio", "xen"), default=None)
    txmode: str | None = attr("txmode", choice("iothread", "timer"), default=None)
    ioeventfd: bool | None = attr("ioeventfd", on_off, default=None)
    event_idx: bool | None = attr("event_idx", on_off, default=None)
    queues: int | None = attr("queues", _UNSIGNED, default=None)
    rx_queue_size: int | None = attr("rx_queue_size", _UNSIGNED, default=None)
    tx_queue_size: int | None = attr("tx_queue_size", _UNSIGNED, default=None)
    rss: bool | None = attr("rss", on_off, default=None)
    rss_hash_report: bool | None = attr("rss_hash_report", on_off, default=None)
    host: Offloads | None = child(Offloads, "host", default=None)
    guest: Offloads | None = child(Offloads, "guest", default=None)


class Link(Element, tag="link"):
    state: str | None = attr("state", choice("up", "down", error=ConfigUnsupported), default=None)


class Mtu(Element, tag="mtu"):
    size: int | None = attr("size", _UNSIGNED, default=None)


class InterfaceTarget(Element, tag="target"):
    """The tap's name on the host; ``managed`` no is a tap that is there already, of type ethernet."""

    dev: str | None = attr("dev", default=None)
    managed: bool | None = attr("managed", yes_no, default=None)


class GuestDevice(Element, tag="guest"):
    """What the card should be called in a container; QEMU's guests name their own."""

    dev: str | None = attr("dev", default=None)
    actual: str | None = attr("actual", default=None)


class Script(Element, tag="script"):
    path: str | None = attr("path", default=None)


class IsolatedPort(Element, tag="port"):
    """Whether it only reaches ports of the bridge that are not isolated."""

    isolated: bool | None = attr("isolated", yes_no, default=None)


class Tune(Element, tag="tune"):
    """``sndbuf``: bytes that may wait in the tap."""

    sndbuf: int | None = text("sndbuf", integer(0, 2**64 - 1), default=None)


class Teaming(Element, tag="teaming"):
    """A card that stands in for another, which migration takes away."""

    type: str | None = attr("type", choice("persistent", "transient", error=ConfigUnsupported), default=None)
    persistent: str | None = attr("persistent", default=None)


class Interface(Device, tag="interface"):
    type: str = attr("type", choice(*TYPES, later=LATER), default="user")
    trust_rx_filters: bool | None = attr("trustGuestRxFilters", yes_no, default=None)
    mac: Mac | None = child(Mac, default=None)
    source: InterfaceSource | None = child(InterfaceSource, default=None)
    ips: tuple[Ip, ...] = children(Ip, default=())
    routes: tuple[Route, ...] = children(Route, default=())
    bandwidth: Bandwidth | None = child(Bandwidth, default=None)
    vlan: Vlan | None = child(Vlan, default=None)
    virtualport: VirtualPort | None = child(VirtualPort, default=None)
    port: IsolatedPort | None = child(IsolatedPort, default=None)
    script: Script | None = child(Script, default=None)
    downscript: Script | None = child(Script, "downscript", default=None)
    target: InterfaceTarget | None = child(InterfaceTarget, default=None)
    guest: GuestDevice | None = child(GuestDevice, default=None)
    model: InterfaceModel | None = child(InterfaceModel, default=None)
    driver: InterfaceDriver | None = child(InterfaceDriver, default=None)
    backend: InterfaceBackend | None = child(InterfaceBackend, default=None)
    forwards: tuple[PortForward, ...] = children(PortForward, default=())
    filterref: FilterRef | None = child(FilterRef, default=None)
    mtu: Mtu | None = child(Mtu, default=None)
    link: Link | None = child(Link, default=None)
    tune: Tune | None = child(Tune, default=None)
    coalesce: Coalesce | None = child(Coalesce, default=None)
    teaming: Teaming | None = child(Teaming, default=None)
    boot: Boot | None = child(Boot, default=None)
    rom: Rom | None = child(Rom, default=None)

    @property
    def is_virtio(self) -> bool:
        """Whether it is a virtio card of any generation."""
        return self.model is not None and self.model.type in VIRTIO

    @property
    def is_plugged(self) -> bool:
        """Whether the network driver makes its other end."""
        return self.type in PLUGGED

    @property
    def is_passt(self) -> bool:
        """Whether a passt stands behind it."""
        return self.backend is not None and self.backend.type == "passt"

    @property
    def queues(self) -> int:
        """Of a virtio card that has several, else 1."""
        given = self.driver.queues if self.driver is not None and self.is_virtio else None
        return given or 1
