"""The ids that devices get for a run, those of libvirt: known from events, logs and the live XML."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from embervirt.drivers.qemu.addresses.drive import on_lsilogic
from embervirt.drivers.qemu.model import Alias, Controller, Device, Devices, Disk, Domain
from embervirt.drivers.qemu.model.address import DriveAddress
from embervirt.drivers.qemu.nodes import numbered
from embervirt.drivers.qemu.postparse.disk import disk_index
from embervirt.drivers.xml import replace

COUNTED = {
    "interfaces": "net",
    "serials": "serial",
    "parallels": "parallel",
    "channels": "channel",
    "hubs": "hub",
    "inputs": "input",
    "videos": "video",
    "sounds": "sound",
    "tpms": "tpm",
    "watchdogs": "watchdog",
    "memballoons": "balloon",
    "vsocks": "vsock",
}
"""Devices that are numbered in their order: the list's field and the name."""


def named(domain: Domain) -> Domain:
    """The domain with an alias for each device, and numbers for disks' nodes; those that are there stay."""
    devices, q35 = domain.devices, domain.q35
    lists: dict[str, Any] = {
        "disks": _named(numbered(devices.disks), lambda disk: disk_alias(disk, devices.controllers)),
        "controllers": _named(devices.controllers, lambda item: controller_alias(item, q35)),
    }
    lists["rngs"] = _numbered(devices.rngs, "rng")
    for name, prefix in COUNTED.items():
        lists[name] = _counted(devices.lists[name], prefix)
    return replace(domain, devices=_consoles(replace(devices, **lists)))


def free(devices: Iterable[Device], prefix: str) -> str:
    """The first name of a hot-plugged device that no other of its kind has: ``net3``."""
    numbers = {device.id.removeprefix(prefix) for device in devices}
    return f"{prefix}{next(number for number in range(len(numbers) + 1) if str(number) not in numbers)}"


def _named(devices: Iterable[Any], name: Callable[[Any], str]) -> tuple[Any, ...]:
    return tuple(item if item.alias else replace(item, alias=Alias(name=name(item))) for item in devices)


def _counted(devices: tuple[Device, ...], prefix: str) -> tuple[Device, ...]:
    """By their places; one that came later, and whose place has a name, gets the first free name."""
    named: list[Device] = list(devices)
    taken = {device.id for device in devices}
    for number, device in enumerate(devices):
        if device.alias is None:
            usual = f"{prefix}{number}"
            name = free(named, prefix) if usual in taken else usual
            named[number] = replace(device, alias=Alias(name=name))
            taken.add(name)
    return tuple(named)


def _numbered(devices: Iterable[Any], prefix: str) -> tuple[Any, ...]:
    """As libvirt counts sources of entropy: only those that have no name; no name comes twice."""
    given = tuple(devices)
    taken = {device.id for device in given}
    names = (name for number in itertools.count() if (name := f"{prefix}{number}") not in taken)
    return _named(given, lambda _: next(names))


def _consoles(devices: Devices) -> Devices:
    """One that mirrors the first serial port is that under another name, and has its alias."""
    consoles: tuple[Any, ...] = tuple(
        console if console.virtio or not devices.serials else replace(console, alias=devices.serials[0].alias)
        for console in devices.consoles
    )
    counted: tuple[Any, ...] = _counted(consoles, "console")
    return replace(devices, consoles=counted)


def disk_alias(disk: Disk, controllers: tuple[Controller, ...]) -> str:
    """``virtio-disk0``, ``usb-disk1``, ``ide0-1-0``, ``scsi0-0-0-1``."""
    if disk.bus in ("virtio", "usb"):
        return f"{disk.bus}-disk{disk_index(disk.dev)}"
    place = disk.address if isinstance(disk.address, DriveAddress) else DriveAddress()
    if disk.bus == "scsi" and not on_lsilogic(disk, controllers):
        return f"scsi{place.controller}-{place.bus}-{place.target}-{place.unit}"
    return f"{disk.bus}{place.controller}-{place.bus}-{place.unit}"


def controller_alias(controller: Controller, q35: bool) -> str:
    """``pci.1``, ``usb``, ``ide`` for what the machine has built in."""
    index = controller.index or 0
    if controller.type == "pci":
        return "pcie.0" if controller.model == "pcie-root" else f"pci.{index}"
    if controller.type == "usb" and index == 0:
        return "usb"
    built_in = "sata" if q35 else "ide"
    return "ide" if controller.type == built_in and index == 0 else f"{controller.type}{index}"
