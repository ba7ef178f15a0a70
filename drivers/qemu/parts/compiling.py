"""From a domain to the ordered list of its parts: pure, and the same pieces that hot-plug uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.model import Controller, Device, Domain
from embervirt.drivers.qemu.parts import (
    chardev,
    controller,
    disk,
    graphics,
    hub,
    input,
    interface,
    machine,
    memballoon,
    panic,
    passthrough,
    rng,
    sound,
    sysinfo,
    tpm,
    video,
    vsock,
    watchdog,
)
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.context import CompileContext
from embervirt.drivers.qemu.parts.part import Device as DevicePart
from embervirt.drivers.qemu.parts.part import Option, Part, Pluggable
from embervirt.drivers.qemu.ports import with_sockets

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

DEVICES: dict[str, Callable[[Any, Build], Iterable[Part]]] = {
    "controllers": controller.parts,
    "hubs": hub.parts,
    "disks": disk.parts,
    "interfaces": interface.parts,
    "serials": chardev.serial,
    "parallels": chardev.parallel,
    "channels": chardev.channel,
    "consoles": chardev.console,
    "tpms": tpm.parts,
    "inputs": input.parts,
    "audios": sound.audio,
    "graphics": graphics.parts,
    "videos": video.parts,
    "sounds": sound.parts,
    "watchdogs": watchdog.parts,
    "memballoons": memballoon.parts,
    "rngs": rng.parts,
    "panics": panic.parts,
    "vsocks": vsock.parts,
}
"""What makes the parts of each list of devices, in the order of libvirt's command line."""


def compile(domain: Domain, caps: Capabilities, run: CompileContext) -> list[Part]:
    """The parts of a validated domain. Raises what ``run.secret`` raises."""
    build = Build(named(with_sockets(domain, Path(run.domain_dir))), caps, run)
    return [
        *machine.parts(build),
        *passthrough.overridden(domain, [*_devices(build), *sysinfo.devices(domain)]),
        *passthrough.arguments(domain),
        Option("sandbox", SANDBOX),
        Option("msg", "timestamp=on"),
    ]


def parts_of(device: Device, build: Build) -> list[Part]:
    """All parts of one device."""
    field = next(name for name, found in build.domain.devices.lists.items() if device in found)
    return list(DEVICES[field](device, build))


def missing(build: Build, there: set[str]) -> list[Device]:
    """Devices that QEMU was told to have, and that are not ``there``, by the ids of those that it has."""
    absent = [each for each in build.domain.devices.all if each.id and each.id not in there]
    return [each for each in absent if each.id in map(_device_id, parts_of(each, build))]


def _device_id(part: Part) -> str | None:
    return part.id if isinstance(part, DevicePart) else None


def of_device(device: Device, build: Build) -> list[Pluggable]:
    """The parts of one device, for a QEMU that runs. Raises ValueError for one that it cannot take."""
    made = parts_of(device, build)
    pluggable = [part for part in made if isinstance(part, Pluggable)]
    if pluggable != made:
        raise ValueError(f"device {device.id} has parts that a running QEMU does not take")
    return pluggable


def _devices(build: Build) -> Iterator[Part]:
    lists = build.domain.devices.lists
    lists["controllers"] = tuple(sorted(lists["controllers"], key=_after_its_bus))
    for name, parts in DEVICES.items():
        for device in lists[name]:
            yield from parts(device, build)


def _after_its_bus(item: Controller) -> tuple[bool, int]:
    """PCI buses first, the one nearer to the root before the one behind it: QEMU reads from left to right."""
    return (item.type != "pci", item.index or 0)
