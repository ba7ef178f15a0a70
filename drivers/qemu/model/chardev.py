"""``<serial>`` and ``<console>``: a port of the guest and where its bytes go on the host."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.xml import Element, attr, child, choice, integer, on_off
from embervirt.errors import ConfigUnsupported

_TYPES = choice(
    *("pty", "file", "null"),
    error=ConfigUnsupported,
    later=("vc", "dev", "pipe", "stdio", "udp", "tcp", "unix", "spicevmc", "spiceport", "nmdm", "dbus"),
)
_PORT = integer(0, 2**31 - 1)


class CharSource(
    Element, tag="source", refuse=("@mode", "@host", "@service", "@tls", "seclabel", "reconnect")
):
    path: str | None = attr("path", default=None)
    append: bool | None = attr("append", on_off, default=None)


class Log(Element, tag="log"):
    """A copy of all that the guest says, in a file."""

    file: str = attr("file")
    append: bool | None = attr("append", on_off, default=None)


class TargetModel(Element, tag="model"):
    name: str = attr("name", choice("isa-serial", error=ConfigUnsupported))


class SerialTarget(Element, tag="target"):
    type: str | None = attr(
        "type",
        choice("isa-serial", error=ConfigUnsupported, later=("pci-serial", "usb-serial")),
        default=None,
    )
    port: int | None = attr("port", _PORT, default=None)
    model: TargetModel | None = child(TargetModel, default=None)


class ConsoleTarget(Element, tag="target"):
    type: str | None = attr(
        "type", choice("serial", error=ConfigUnsupported, later=("virtio", "sclp", "xen")), default=None
    )
    port: int | None = attr("port", _PORT, default=None)


class Serial(Device, tag="serial", refuse=("protocol",)):
    type: str = attr("type", _TYPES, default="pty")
    source: CharSource | None = child(CharSource, default=None)
    log: Log | None = child(Log, default=None)
    target: SerialTarget | None = child(SerialTarget, default=None)

    @property
    def port(self) -> int | None:
        """Number of the port; never None after ``postparse``."""
        return self.target.port if self.target else None


class Console(Device, tag="console", refuse=("protocol",)):
    """What libvirt calls the first way in: the first one is the first serial port under another name."""

    type: str = attr("type", _TYPES, default="pty")
    tty: str | None = attr("tty", default=None)
    source: CharSource | None = child(CharSource, default=None)
    log: Log | None = child(Log, default=None)
    target: ConsoleTarget | None = child(ConsoleTarget, default=None)
