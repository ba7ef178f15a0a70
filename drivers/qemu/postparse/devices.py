"""All devices: each class completed by its own file, and those that every machine has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from embervirt.drivers.qemu.model import Device, Devices, Domain, Memballoon
from embervirt.drivers.qemu.postparse import chardev, disk, graphics, input, interface, rng, sound, video

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def complete(domain: Domain, caps: Capabilities) -> Devices:
    """The devices with their defaults and without the aliases of a run."""
    devices = _unaliased(domain.devices)
    screens = tuple(map(graphics.complete, devices.graphics))
    serials, consoles = chardev.complete(devices.serials, devices.consoles)
    return replace(
        devices,
        emulator=devices.emulator or caps.binary,
        disks=disk.in_order(map(disk.complete, devices.disks)),
        interfaces=tuple(map(interface.complete, devices.interfaces)),
        serials=serials,
        consoles=consoles,
        inputs=input.complete(devices.inputs),
        graphics=screens,
        sounds=tuple(map(sound.complete, devices.sounds)),
        audios=sound.backends(devices.audios),
        videos=video.complete(devices.videos, screens),
        memballoons=devices.memballoons or (Memballoon(model="virtio"),),
        rngs=tuple(map(rng.complete, devices.rngs)),
    )


def _unaliased(devices: Devices) -> Devices:
    """Only the user's own aliases, which begin with ``ua-``, belong to a definition."""
    kept: dict[str, Any] = {name: tuple(map(_own, found)) for name, found in devices.lists.items()}
    return replace(devices, **kept)


def _own(device: Any) -> Any:
    alias = device.alias if isinstance(device, Device) else None
    return device if alias is None or alias.name.startswith("ua-") else replace(device, alias=None)
