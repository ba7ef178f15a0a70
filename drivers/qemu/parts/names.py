"""The ids that QEMU's devices get, those of libvirt: others know them from events and logs."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Alias, Disk
from embervirt.drivers.qemu.model.address import Address, number
from embervirt.drivers.qemu.model.postparse import disk_index


def device_id(alias: Alias | None, usual: str) -> str:
    """The user's own alias, or libvirt's name."""
    return alias.name if alias else usual


def disk_id(disk: Disk) -> str:
    """``virtio-disk0``, ``ide0-1-0``, ``sata0-0-1``."""
    if disk.bus == "virtio":
        return device_id(disk.alias, f"virtio-disk{disk_index(disk.dev)}")
    place = disk.address or Address(type="drive")
    triple = (number(place.controller), number(place.bus), number(place.unit))
    return device_id(disk.alias, f"{disk.bus}{'-'.join(map(str, triple))}")
