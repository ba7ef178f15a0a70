"""A running guest as it is published: its live XML and the record that readers get."""

from __future__ import annotations

from typing import Any, TypeVar

from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.model import Channel, Console, Domain, Serial
from embervirt.drivers.qemu.model.chardev_source import Chardev, CharSource
from embervirt.drivers.qemu.postparse import volumes
from embervirt.drivers.qemu.states import State
from embervirt.drivers.qemu.store import Record
from embervirt.drivers.qemu.tables import Running
from embervirt.drivers.xml import render, replace

PTY = "pty:"
P = TypeVar("P", bound=Chardev)


def running(live: Domain, record: Record, state: State) -> Running:
    """What readers see of this run."""
    seen = volumes.shown(live)
    xml = (record.live if seen is live else "") or render(seen)
    identity = record.process.identity
    return Running(live.uuid, live.name, record.id, state, xml, record.xml, live, identity)


def ptys(chardevs: list[dict[str, Any]]) -> dict[str, str]:
    """Paths of the ptys by the chardev's label."""
    found = {each["label"]: each["filename"] for each in chardevs}
    return {label: name.removeprefix(PTY) for label, name in found.items() if name.startswith(PTY)}


def opened(chardevs: list[dict[str, Any]]) -> frozenset[str]:
    """Labels of the chardevs whose port the guest has opened."""
    return frozenset(each["label"] for each in chardevs if each.get("frontend-open"))


def live(domain: Domain, id_: int, paths: dict[str, str], open_: frozenset[str] | None = None) -> Domain:
    """The definition with what this run adds: its id, the pty of each port, and which channels are open.

    ``open_`` None: not known; what is not said to be open is not.
    """
    devices = named(domain).devices
    serials = tuple(_on_pty(port, paths) for port in devices.serials)
    ports = replace(
        devices,
        serials=serials,
        parallels=tuple(_on_pty(port, paths) for port in devices.parallels),
        consoles=tuple(_console(console, serials, paths) for console in devices.consoles),
        channels=tuple(_channel(_on_pty(port, paths), open_) for port in devices.channels),
    )
    return replace(domain, id=id_, devices=ports)


def with_channel(domain: Domain, alias: str, is_open: bool) -> Domain:
    """The guest has opened a port, or closed it."""
    channels = tuple(
        _channel(each, frozenset({f"char{alias}"} if is_open else ())) if each.id == alias else each
        for each in domain.devices.channels
    )
    return replace(domain, devices=replace(domain.devices, channels=channels))


def _on_pty(port: P, paths: dict[str, str]) -> P:
    path = paths.get(f"char{port.id}")
    return port if path is None else replace(port, sources=(CharSource(path=path),))


def _console(console: Console, serials: tuple[Serial, ...], paths: dict[str, str]) -> Console:
    if console.virtio or not serials:
        console = _on_pty(console, paths)
    else:
        console = replace(console, sources=serials[0].sources)
    path = console.source.path if console.type == "pty" and console.source else None
    return replace(console, tty=None if console.virtio else path)


def _channel(channel: Channel, open_: frozenset[str] | None) -> Channel:
    target = channel.target
    if target is None or not channel.virtio:
        return channel
    state = target.state or "disconnected"
    if open_ is not None:
        state = "connected" if f"char{channel.id}" in open_ else "disconnected"
    return replace(channel, target=replace(target, state=state))
