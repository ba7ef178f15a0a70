"""Sockets that are made for one run: those of channels that do not say where they are."""

from __future__ import annotations

from pathlib import Path

from embervirt.drivers.qemu.model import Channel, Domain
from embervirt.drivers.qemu.model.address import VirtioSerialAddress
from embervirt.drivers.qemu.model.chardev_source import CharSource
from embervirt.drivers.xml import replace


def channel_dir(domain_dir: Path) -> Path:
    """Where they are, as libvirt has it: ``channel/target/domain-ID-NAME``, beside the run's own."""
    return domain_dir.parent / "channel/target" / domain_dir.name


def with_sockets(domain: Domain, domain_dir: Path) -> Domain:
    """The domain with the paths of this run. ``domain`` has its addresses."""
    directory = channel_dir(domain_dir)
    channels = tuple(
        replace(each, sources=(CharSource(mode="bind", path=str(directory / _file(each))),))
        if each.own_socket
        else each
        for each in domain.devices.channels
    )
    return replace(domain, devices=replace(domain.devices, channels=channels))


def run_sockets(domain: Domain, domain_dir: Path) -> list[str]:
    """Their paths; channels that share a name share a socket's name, of which there is one."""
    directory = channel_dir(domain_dir)
    own = [str(directory / _file(each)) for each in domain.devices.channels if each.own_socket]
    return list(dict.fromkeys(own))


def _file(channel: Channel) -> str:
    """The channel's name or, as libvirt has it, its place."""
    name = channel.target.name if channel.target else None
    place = channel.address if isinstance(channel.address, VirtioSerialAddress) else VirtioSerialAddress()
    return name or f"vioser-{place.controller:02}-{place.bus:02}-{place.port or 0:02}.sock"
