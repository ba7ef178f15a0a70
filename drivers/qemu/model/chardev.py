"""``<serial>``, ``<parallel>``, ``<console>``, ``<channel>``: ports of the guest."""

from __future__ import annotations

from embervirt.drivers.qemu.model.chardev_source import Chardev, CharSource, Log, Protocol, char_type
from embervirt.drivers.xml import Element, attr, child, children, choice, integer
from embervirt.errors import ConfigUnsupported

_PORT = integer(-(2**31), 2**31 - 1)

ISA = "isa-serial"
"""The type of a serial port that says none."""

SERIALS = {ISA: ISA, "usb-serial": "usb-serial", "pci-serial": "pci-serial"} | {"isa-debug": "isa-debugcon"}
"""Types of serial ports and the one model that each has."""

_LATER_TYPES = ("spapr-vio-serial", "sclp-serial", "system-serial", "platform-serial")
_LATER_MODELS = ("spapr-vty", "pl011", "sclpconsole", "sclplmconsole", "16550a")


class TargetModel(Element, tag="model"):
    name: str = attr("name", choice(*SERIALS.values(), error=ConfigUnsupported, later=_LATER_MODELS))


class SerialTarget(Element, tag="target"):
    """A negative ``port`` is none."""

    type: str | None = attr(
        "type", choice(*SERIALS, error=ConfigUnsupported, later=_LATER_TYPES), default=None
    )
    port: int | None = attr("port", _PORT, default=None)
    model: TargetModel | None = child(TargetModel, default=None)


class ParallelTarget(Element, tag="target"):
    port: int | None = attr("port", _PORT, default=None)


class ConsoleTarget(Element, tag="target"):
    type: str | None = attr(
        "type",
        choice(
            *("serial", "virtio"),
            error=ConfigUnsupported,
            later=("sclp", "sclplm", "xen", "uml", "lxc", "openvz"),
        ),
        default=None,
    )
    port: int | None = attr("port", _PORT, default=None)


class ChannelTarget(Element, tag="target"):
    """``state``: whether the guest has opened the port, in live XML. ``address``, ``port``: of guestfwd."""

    type: str = attr(
        "type",
        choice("virtio", "guestfwd", error=ConfigUnsupported, later=("xen", "none")),
        missing=ConfigUnsupported,
    )
    name: str | None = attr("name", default=None)
    state: str | None = attr("state", choice("connected", "disconnected"), default=None)
    address: str | None = attr("address", default=None)
    port: int | None = attr("port", integer(0, 65535), default=None)


class Serial(Chardev, tag="serial"):
    type: str = attr("type", char_type, default="pty")
    sources: tuple[CharSource, ...] = children(CharSource, default=())
    protocol: Protocol | None = child(Protocol, default=None)
    log: Log | None = child(Log, default=None)
    target: SerialTarget | None = child(SerialTarget, default=None)

    @property
    def port(self) -> int | None:
        """Number of the port; never None after ``postparse``."""
        return self.target.port if self.target else None


class Parallel(Chardev, tag="parallel"):
    type: str = attr("type", char_type, default="pty")
    sources: tuple[CharSource, ...] = children(CharSource, default=())
    protocol: Protocol | None = child(Protocol, default=None)
    log: Log | None = child(Log, default=None)
    target: ParallelTarget | None = child(ParallelTarget, default=None)


class Console(Chardev, tag="console"):
    """The way in. One of type ``serial``, the first, is the first serial port under another name."""

    type: str = attr("type", char_type, default="pty")
    tty: str | None = attr("tty", default=None)
    sources: tuple[CharSource, ...] = children(CharSource, default=())
    protocol: Protocol | None = child(Protocol, default=None)
    log: Log | None = child(Log, default=None)
    target: ConsoleTarget | None = child(ConsoleTarget, default=None)

    @property
    def virtio(self) -> bool:
        """Whether it is a device of its own."""
        return self.target is not None and self.target.type == "virtio"


class Channel(Chardev, tag="channel"):
    """A port that programs in the guest find by its name; ``unix`` without path is a socket of the run."""

    type: str = attr("type", char_type, default="pty")
    sources: tuple[CharSource, ...] = children(CharSource, default=())
    protocol: Protocol | None = child(Protocol, default=None)
    log: Log | None = child(Log, default=None)
    target: ChannelTarget | None = child(ChannelTarget, default=None)

    @property
    def virtio(self) -> bool:
        """Whether it is a port of a virtio-serial controller."""
        return self.target is not None and self.target.type == "virtio"

    @property
    def own_socket(self) -> bool:
        """Whether its socket is made for the run."""
        return self.virtio and self.type == "unix" and not (self.source and self.source.path)
