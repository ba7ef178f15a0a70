"""The host's side of a character device: what its type cannot do without."""

from __future__ import annotations

from embervirt.drivers.qemu.model.chardev_source import Chardev, CharSource
from embervirt.errors import InternalError, InvalidArgument, XmlError

_NEEDS = {
    "file": ("path",),
    "dev": ("path",),
    "pipe": ("path",),
    "unix": ("path",),
    "tcp": ("host", "service"),
}


def check(port: Chardev, what: str) -> None:
    """Raises for a source that is not enough, or too much; ``what`` names the device."""
    sources = [source for source in port.sources if port.type != "udp" or source.mode == "connect"]
    if len(sources) > 1:
        raise XmlError(f"{what}: only one source element with mode='connect' is allowed")
    source = sources[0] if sources else CharSource()
    needs = ("service",) if port.type == "udp" else _NEEDS.get(port.type, ())
    missing = next((name for name in needs if not getattr(source, name)), None)
    if missing:
        found = f"{what} of type '{port.type}'"
        raise InternalError(f"{found}: Missing source {missing} attribute for char device")
    _check_reconnect(source, what)


def _check_reconnect(source: CharSource, what: str) -> None:
    reconnect = source.reconnect
    if reconnect is None or reconnect.enabled is None:
        return
    if source.mode == "bind":
        raise InternalError(f"{what}: chardev reconnect is possible only for connect mode")
    if reconnect.enabled and reconnect.timeout == 0:
        raise InvalidArgument(f"{what}: chardev reconnect source timeout cannot be '0'")
