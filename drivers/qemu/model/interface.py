"""``<interface>``: a network card and what it is connected to."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Boot, Device, Rom, VirtioDriver
from embervirt.drivers.xml import Element, Text, attr, child, children, choice, integer, mac, on_off, yes_no
from embervirt.errors import ConfigUnsupported

LATER = (
    *("ethernet", "network", "bridge", "internal", "direct", "hostdev", "vhostuser", "udp", "server"),
    *("client", "mcast", "vdpa", "null", "vds"),
)
_UNSIGNED = integer(0, 2**32 - 1)
_MODEL = Text("[A-Za-z0-9_-]{1,60}", "letters, digits, '-', '_'", ConfigUnsupported)


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
    """Of virtio cards only; ``name`` vhost is a wish that a user network does not follow."""

    name: str | None = attr("name", choice("qemu", "vhost"), default=None)
    txmode: str | None = attr("txmode", choice("iothread", "timer", error=ConfigUnsupported), default=None)
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
    state: str = attr("state", choice("up", "down", error=ConfigUnsupported))


class Mtu(Element, tag="mtu"):
    size: int = attr("size", _UNSIGNED)


class Ip(Element, tag="ip", refuse=("@peer",)):
    """The network behind the card: QEMU's user network gives the guest an address in it."""

    address: str = attr("address")
    family: str | None = attr("family", choice("ipv4", "ipv6"), default=None)
    prefix: int | None = attr("prefix", integer(0, 128), default=None)


class InterfaceTarget(Element, tag="target", refuse=("@managed",)):
    """The tap's name on the host; a user network has no tap."""

    dev: str | None = attr("dev", default=None)


class AcpiIndex(Element, tag="acpi"):
    """By which the guest names the card (``eno3``)."""

    index: int = attr("index", integer(1, 16383))


class Interface(
    Device,
    tag="interface",
    refuse=(
        *("@managed", "@trustGuestRxFilters", "source", "virtualport", "backend", "portForward", "bandwidth"),
        *("filterref", "tune", "vlan", "guest", "route", "coalesce", "teaming", "port", "script"),
        "downscript",
    ),
):
    type: str = attr("type", choice("user", later=LATER), default="user")
    mac: Mac | None = child(Mac, default=None)
    ips: tuple[Ip, ...] = children(Ip, default=())
    target: InterfaceTarget | None = child(InterfaceTarget, default=None)
    model: InterfaceModel | None = child(InterfaceModel, default=None)
    driver: InterfaceDriver | None = child(InterfaceDriver, default=None)
    mtu: Mtu | None = child(Mtu, default=None)
    link: Link | None = child(Link, default=None)
    boot: Boot | None = child(Boot, default=None)
    rom: Rom | None = child(Rom, default=None)
    acpi: AcpiIndex | None = child(AcpiIndex, default=None)

    @property
    def is_virtio(self) -> bool:
        """Whether it is a virtio card of any generation."""
        return self.model is not None and self.model.type.startswith("virtio")
