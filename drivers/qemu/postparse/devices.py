"""All devices: each class completed by its own file, and those that every machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embervirt.drivers.qemu.model import Device, Devices, Domain
from embervirt.drivers.qemu.model.device import VirtioDriver
from embervirt.drivers.qemu.nodes import unnumbered
from embervirt.drivers.qemu.postparse import (
    chardev,
    controller,
    disk,
    graphics,
    input,
    interface,
    memballoon,
    panic,
    rng,
    sound,
    tpm,
    video,
    vsock,
    watchdog,
)
from embervirt.drivers.qemu.postparse.volumes import unresolved
from embervirt.drivers.xml import replace

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def complete(domain: Domain, caps: Capabilities) -> Devices:
    """The devices with their defaults and without the aliases of a run."""
    devices = _unaliased(domain.devices)
    disks = tuple(unresolved(unnumbered(each)) for each in devices.disks)
    interfaces = tuple(map(interface.definition, devices.interfaces))
    return filled(replace(domain, devices=replace(devices, disks=disks, interfaces=interfaces)), caps)


def filled(domain: Domain, caps: Capabilities) -> Devices:
    """The devices with their defaults; aliases stay."""
    devices = _tidied(domain.devices)
    screens = tuple(map(graphics.complete, devices.graphics))
    devices = chardev.complete(devices)
    return replace(
        devices,
        emulator=devices.emulator or caps.binary,
        controllers=controller.complete(devices.controllers),
        disks=disk.limited(map(disk.complete, disk.in_order(devices.disks))),
        interfaces=tuple(map(interface.complete, devices.interfaces)),
        inputs=input.complete(devices.inputs),
        graphics=screens,
        sounds=tuple(map(sound.complete, devices.sounds)),
        audios=sound.backends(devices.audios),
        videos=video.complete(devices.videos, screens),
        tpms=tuple(map(tpm.complete, devices.tpms)),
        watchdogs=tuple(map(watchdog.complete, devices.watchdogs)),
        memballoons=memballoon.complete(devices.memballoons),
        rngs=tuple(map(rng.complete, devices.rngs)),
        panics=tuple(map(panic.complete, devices.panics)),
        vsocks=tuple(map(vsock.complete, devices.vsocks)),
    )


def _tidied(devices: Devices) -> Devices:
    """Without elements of devices that say nothing: ``<acpi/>``, and ``<driver/>`` of virtio."""
    kept: dict[str, Any] = {
        name: tuple(map(_said, found)) for name, found in devices.present.items() if any(map(_empty, found))
    }
    return replace(devices, **kept) if kept else devices


def _empty(device: Any) -> tuple[str, ...]:
    """The names of its fields that hold such an element."""
    fields = device.__dict__
    acpi, driver = fields.get("acpi"), fields.get("driver")
    names = ("acpi",) if acpi is not None and acpi.index is None else ()
    return (*names, "driver") if isinstance(driver, VirtioDriver) and driver == type(driver)() else names


def _said(device: Any) -> Any:
    nothing: dict[str, Any] = dict.fromkeys(_empty(device))
    return replace(device, **nothing) if nothing else device


def _unaliased(devices: Devices) -> Devices:
    """Only the user's own aliases, which begin with ``ua-``, belong to a definition."""
    kept: dict[str, Any] = {name: tuple(map(_own, found)) for name, found in devices.lists.items()}
    return replace(devices, **kept)


def _own(device: Any) -> Any:
    alias = device.alias if isinstance(device, Device) else None
    return device if alias is None or alias.name.startswith("ua-") else replace(device, alias=None)
