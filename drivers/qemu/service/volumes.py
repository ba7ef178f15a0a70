"""Disks that are volumes of pools: looked up in the storage driver when a guest starts or gets one."""

from __future__ import annotations

from collections.abc import Iterator

from embervirt.drivers.qemu.model import Disk, Domain
from embervirt.drivers.qemu.postparse import volumes
from embervirt.drivers.qemu.service.keys import Call
from embervirt.drivers.storage.messages import FindVolume
from embervirt.drivers.xml import replace
from embervirt.errors import libvirtError
from embervirt.log import get_logger


def found(disk: Disk, call: Call) -> Disk:
    """A disk as it is on this host; any other than a volume as it stands.

    Raises what the storage driver says of a pool or volume that is not there (NoStoragePool,
    NoStorageVolume), or of a pool that is not active (ConfigUnsupported); what ``volumes.resolved`` does.
    """
    source = disk.source
    if disk.type != "volume" or source is None or disk.is_empty:
        return disk
    answer = call("storage", FindVolume(source.pool or "", source.volume or ""))
    return volumes.resolved(disk, answer)


def all_found(domain: Domain, call: Call) -> Domain:
    """Every disk. Of an optional one that cannot be had only the drive is left, if it is one.

    Raises as ``found``.
    """
    disks = domain.devices.disks
    if not any(disk.type == "volume" for disk in disks):
        return domain
    return replace(domain, devices=replace(domain.devices, disks=tuple(_each(disks, call))))


def _each(disks: tuple[Disk, ...], call: Call) -> Iterator[Disk]:
    for disk in disks:
        try:
            yield found(disk, call)
        except libvirtError as error:
            if disk.source is None or disk.source.startup_policy != "optional":
                raise
            get_logger().warning("an optional disk is missing", disk=disk.dev, error=str(error))
            if disk.removable:
                yield replace(disk, type="file", source=None, backing=())
