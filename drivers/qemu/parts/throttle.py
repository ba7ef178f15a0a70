"""Limits of a disk's speed: QEMU is told them before the guest runs, and when a disk was plugged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from embervirt.drivers.qemu.model import Disk, Domain

BASE = ("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr")
"""What the command must always have; 0 is no limit."""


def backend(disk: Disk) -> str:
    """QEMU's name of what is in a disk's device and has the nodes: a path of its object tree, or the id."""
    path = f"/machine/peripheral/{disk.id}"
    match disk.bus:
        case "virtio":
            return f"{path}/virtio-backend"
        case "usb":
            return f"{path}/{disk.id}.0/legacy[0]"
    return disk.id


def all_commands(domain: Domain) -> Iterator[tuple[str, dict[str, Any]]]:
    """The commands of all disks of a guest."""
    return (command for disk in domain.devices.disks for command in commands(disk))


def commands(disk: Disk) -> Iterator[tuple[str, dict[str, Any]]]:
    """The QMP command that sets a disk's limits; none for a disk without."""
    if disk.iotune is None:
        return
    named = ((item.name, getattr(disk.iotune, item.name)) for item in fields(disk.iotune))
    given = {name: value for name, value in named if value is not None}
    yield "block_set_io_throttle", {"id": backend(disk), **dict.fromkeys(BASE, 0), **given}
