"""The host's side of a character device, of a port of the guest or ``<rng>``: where its bytes go."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.xml import Element, attr, child, children, choice, integer, on_off, yes_no
from embervirt.errors import ConfigUnsupported

char_type = choice(
    *("pty", "file", "unix", "tcp", "udp", "null", "dev", "pipe", "stdio", "vc", "qemu-vdagent"),
    error=ConfigUnsupported,
    later=("spicevmc", "spiceport", "nmdm", "dbus"),
)
"""Where bytes can go."""


class Reconnect(Element, tag="reconnect"):
    """Whether QEMU connects again when the other side has hung up; ``timeout`` in seconds."""

    enabled: bool | None = attr("enabled", yes_no, default=None)
    timeout: int | None = attr("timeout", integer(0, 2**32 - 1), default=None)


class Clipboard(Element, tag="clipboard"):
    copypaste: bool = attr("copypaste", yes_no)


class Mouse(Element, tag="mouse"):
    mode: str = attr("mode", choice("server", "client"))


class CharSource(Element, tag="source", refuse=("seclabel",)):
    """``mode`` bind is a socket that QEMU listens on, connect one of somebody else's. UDP has one of each."""

    mode: str | None = attr("mode", choice("connect", "bind"), default=None)
    path: str | None = attr("path", default=None)
    append: bool | None = attr("append", on_off, default=None)
    host: str | None = attr("host", default=None)
    service: str | None = attr("service", default=None)
    tls: bool | None = attr("tls", yes_no, default=None)
    reconnect: Reconnect | None = child(Reconnect, default=None)
    clipboard: Clipboard | None = child(Clipboard, default=None)
    mouse: Mouse | None = child(Mouse, default=None)


class Protocol(Element, tag="protocol"):
    type: str = attr(
        "type", choice("raw", "telnet", error=ConfigUnsupported, later=("telnets", "tls")), default="raw"
    )


class Log(Element, tag="log"):
    """A copy of all that the guest says, in a file."""

    file: str | None = attr("file", default=None)
    append: bool | None = attr("append", on_off, default=None)


class Chardev(Device, tag="chardev"):
    """What every character device has; each repeats it, for the order in which it is written."""

    type: str = attr("type", char_type, default="pty")
    sources: tuple[CharSource, ...] = children(CharSource, default=())
    protocol: Protocol | None = child(Protocol, default=None)
    log: Log | None = child(Log, default=None)

    @property
    def source(self) -> CharSource | None:
        """The first, and but for UDP the only one."""
        return self.sources[0] if self.sources else None

    @property
    def listens(self) -> bool:
        """Whether QEMU listens on a socket whose path is said."""
        source = self.source
        return self.type == "unix" and source is not None and source.mode == "bind" and bool(source.path)
