"""Disks on IDE and SATA: the place that a disk's name stands for."""

from __future__ import annotations

from dataclasses import replace

from embervirt.drivers.qemu.model import Controller, Disk
from embervirt.drivers.qemu.model.address import DriveAddress
from embervirt.drivers.qemu.postparse.disk import disk_index

_DISKS_ON = {"ide": 4, "sata": 6}


def placed(disk: Disk) -> Disk:
    """The disk at its place."""
    return replace(disk, address=disk.address or _drive(disk))


def _drive(disk: Disk) -> DriveAddress | None:
    places, index = _DISKS_ON.get(disk.bus or ""), disk_index(disk.dev)
    if places is None or index is None:
        return None
    controller, place = divmod(index, places)
    bus, unit = divmod(place, 2) if disk.bus == "ide" else (0, place)
    return DriveAddress(controller=controller, bus=bus, unit=unit)


def controllers(controllers: tuple[Controller, ...], disks: tuple[Disk, ...]) -> tuple[Controller, ...]:
    """A controller for each IDE or SATA disk that has none."""
    done = list(controllers)
    for disk in disks:
        if disk.bus in _DISKS_ON and isinstance(disk.address, DriveAddress):
            wanted = (disk.bus, disk.address.controller)
            if wanted not in [(controller.type, controller.index) for controller in done]:
                done.append(Controller(type=wanted[0], index=wanted[1]))
    return tuple(done)
