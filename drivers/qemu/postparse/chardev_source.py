"""The host's side of a character device: what its type has no use for goes, defaults are filled in."""

from __future__ import annotations

from typing import Any, TypeVar

from embervirt.drivers.qemu.model.chardev_source import Chardev, CharSource, Protocol, Reconnect
from embervirt.drivers.xml import replace
from embervirt.errors import XmlError

C = TypeVar("C", bound=Chardev)
_SOCKET = ("mode", "reconnect")
_KEPT = {
    "file": ("path", "append"),
    "dev": ("path",),
    "pipe": ("path",),
    "unix": ("path", *_SOCKET),
    "tcp": ("host", "service", "tls", *_SOCKET),
    "udp": ("mode", "host", "service"),
    "qemu-vdagent": ("clipboard", "mouse"),
}
"""Of each type what a source says; the others have none, or, in live XML, what QEMU made of it."""


def complete(port: C) -> C:
    """As libvirt writes it. Raises XmlError for sources that cannot be read."""
    most = 2 if port.type == "udp" else 1
    if len(port.sources) > most:
        raise XmlError(f"only {most} source element allowed for character device of type '{port.type}'")
    sources = tuple(source for source in map(_kept(port.type), port.sources) if source != CharSource())
    if port.type == "udp":
        sources = _by_mode(sources)
    protocol = port.protocol or Protocol(type="raw")
    return replace(
        port,
        sources=sources,
        protocol=protocol if port.type == "tcp" else None,
        log=port.log if port.log and port.log.file else None,
    )


def _kept(type_: str) -> Any:
    names = _KEPT.get(type_, ())

    def kept(source: CharSource) -> CharSource:
        values = {name: getattr(source, name) for name in names}
        if "mode" in names:
            values["mode"] = source.mode or "connect"
        if "reconnect" in names:
            values["reconnect"] = _reconnect(source.reconnect)
        return CharSource(**values)

    return kept


def _reconnect(given: Reconnect | None) -> Reconnect | None:
    if given is None or given.enabled is None:
        return None
    if given.enabled and given.timeout is None:
        raise XmlError("Missing required attribute 'timeout' in element 'reconnect'")
    return given if given.enabled else Reconnect(enabled=False)


def _by_mode(sources: tuple[CharSource, ...]) -> tuple[CharSource, ...]:
    """Where it is bound, then where it sends to; what says neither host nor service is not there."""
    said = [source for source in sources if source.host or source.service]
    return tuple(sorted(said, key=lambda source: source.mode != "bind"))
