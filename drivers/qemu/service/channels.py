"""Ports of a guest that a program can hold the other end of: consoles on ptys, channels on sockets."""

from __future__ import annotations

from typing import NamedTuple

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Channel, Domain
from embervirt.drivers.qemu.model.chardev_source import Chardev
from embervirt.errors import InternalError

AGENT = "org.qemu.guest_agent.0"
"""The name of the port on which qemu-guest-agent listens."""


class Port(NamedTuple):
    """``path`` is on the host: a pty or a socket; empty when there is none."""

    alias: str
    type: str
    path: str


def _port(device: Chardev) -> Port:
    path = device.source.path if device.source is not None else None
    return Port(device.id, device.type, path or "")


def _named(device: Channel) -> str:
    """What the guest calls the port of a channel."""
    return (device.target.name if device.target is not None else None) or ""


def agent(domain: Domain) -> Port | None:
    """The channel of the guest's agent, if it has one."""
    for device in domain.devices.channels:
        if device.type == "unix" and _named(device) == AGENT and device.source is not None:
            return _port(device)
    return None


def console(domain: Domain, name: str | None) -> Port:
    """The port with this alias, or the first. Raises InternalError for one without pty, as libvirt does."""
    devices = domain.devices
    ports = (*devices.consoles, *devices.serials, *devices.parallels)
    found = next((_port(port) for port in ports if name in (None, port.id)), None)
    if found is None:
        shown = "<null>" if name is None else name
        raise InternalError(f"cannot find character device {shown}", virdomain=VIR_FROM_QEMU)
    if found.type != "pty":
        raise InternalError(f"character device {found.alias} is not using a PTY", virdomain=VIR_FROM_QEMU)
    return found


def channel(domain: Domain, name: str | None) -> Port:
    """The channel with this name or alias, or the first. Raises InternalError, as libvirt does."""
    channels = domain.devices.channels
    found = next((each for each in channels if name in (None, each.id, _named(each))), None)
    shown = "<null>" if name is None else name
    if found is None:
        raise InternalError(f"cannot find channel {shown}", virdomain=VIR_FROM_QEMU)
    if found.type != "unix":
        raise InternalError(f"channel {shown} is not using a UNIX socket", virdomain=VIR_FROM_QEMU)
    return _port(found)
