"""A disk's driver and bus, and the order in which disks stand."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from dataclasses import replace

from embervirt.drivers.qemu.model.disk import Disk, DiskDriver

_BUSES = {"vd": "virtio", "sd": "scsi", "hd": "ide", "fd": "fdc", "xvd": "xen", "ubd": "uml"}
_TARGET = re.compile("(vd|sd|hd|fd|xvd|ubd)([a-z]{1,6})")


def disk_index(dev: str) -> int | None:
    """``vda`` is 0, ``vdz`` 25, ``vdaa`` 26; None for what is no disk's name."""
    match = _TARGET.fullmatch(dev)
    if match is None:
        return None
    index = 0
    for letter in match[2]:
        index = index * 26 + string.ascii_lowercase.index(letter) + 1
    return index - 1


def complete(disk: Disk) -> Disk:
    """With the bus that its name stands for; a CD-ROM cannot be written."""
    disk = replace(disk, driver=disk.driver or DiskDriver())
    if disk.device == "cdrom":
        disk = replace(disk, readonly=True)
    match = _TARGET.fullmatch(disk.dev)
    if disk.target and match:
        disk = replace(disk, target=replace(disk.target, bus=disk.target.bus or _BUSES[match[1]]))
    return disk


def in_order(disks: Iterable[Disk]) -> tuple[Disk, ...]:
    """Disks of one bus in the order of their names; buses in the order they come."""
    listed = list(disks)
    buses = list(dict.fromkeys(disk.bus for disk in listed))
    return tuple(sorted(listed, key=lambda disk: (buses.index(disk.bus), disk_index(disk.dev) or 0)))
