"""Disks that are volumes: what they are on this host, of which the shown XML says nothing (pure)."""

from __future__ import annotations

from embervirt.drivers.qemu.errors import VIR_FROM_DOM, VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Disk, DiskDriver, Domain
from embervirt.drivers.qemu.model.disk_source import DiskSource, Host
from embervirt.drivers.storage.messages import FoundVolume
from embervirt.drivers.xml import replace
from embervirt.errors import ConfigUnsupported, InternalError, XmlError

FILE, BLOCK, DIR = 0, 1, 2
"""virStorageVolType."""

LOCAL = ("dir", "fs", "netfs", "logical", "disk", "scsi", "zfs", "vstorage")
"""Kinds of pools whose volumes are files and devices of this host."""

ISCSI = ("iscsi", "iscsi-direct")


def resolved(disk: Disk, found: FoundVolume) -> Disk:
    """The disk with its volume as it was found; raw when the XML names no format, as in libvirt 9.

    Raises XmlError, ConfigUnsupported, InternalError for what cannot be a disk.
    """
    assert disk.source is not None
    source = unresolved(disk).source
    assert source is not None
    if source.mode and found.pool not in ISCSI:
        text = "disk source mode is only valid when storage pool is of iscsi type"
        raise XmlError(text, virdomain=VIR_FROM_DOM)
    if found.pool in LOCAL:
        source = _local(source, found)
    elif found.pool in ISCSI:
        source = _iscsi(source, found)
    else:
        text = f"using '{found.pool}' pools for backing 'volume' disks isn't yet supported"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_DOM)
    driver = disk.driver or DiskDriver()
    if disk.device == "lun" and source.file:
        text = "disk device='lun' is only valid for block type disk source"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_DOM)
    return replace(disk, source=source, driver=replace(driver, format=driver.type))


def _local(source: DiskSource, found: FoundVolume) -> DiskSource:
    if found.type == DIR:
        text = "virtual FAT storage can't be accessed in read-write mode"
        raise ConfigUnsupported(f"{text}: '{found.path}' is a directory", virdomain=VIR_FROM_QEMU)
    if source.startup_policy and found.type != FILE:
        _refuse_policy()
    if found.type == BLOCK:
        return replace(source, dev=found.path)
    if found.type == FILE:
        return replace(source, file=found.path)
    text = f"unexpected storage volume type '{found.type}' for storage pool type '{found.pool}'"
    raise InternalError(text, virdomain=VIR_FROM_DOM)


def _iscsi(source: DiskSource, found: FoundVolume) -> DiskSource:
    """By the host's own device, or by QEMU: the number of the unit is the last of the volume's name."""
    if source.startup_policy:
        _refuse_policy()
    if found.pool == "iscsi" and source.mode != "direct":
        return replace(source, dev=found.path)
    if found.with_auth and source.auth is None:
        text = f"pool '{source.pool}' has an account of its own: name it in the disk, by <auth>"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_DOM)
    unit = (source.volume or "").rpartition(":")[2]
    if not unit.isdigit() or not found.host or not found.target:
        text = f"Cannot find '{source.volume}' in the iSCSI target of pool '{source.pool}'"
        raise InternalError(text, virdomain=VIR_FROM_DOM)
    host = Host(name=found.host, port=found.port or 3260)
    return replace(source, protocol="iscsi", name=f"{found.target}/{unit}", hosts=(host,))


def _refuse_policy() -> None:
    raise XmlError("'startupPolicy' is only valid for 'file' type volume", virdomain=VIR_FROM_DOM)


def unresolved(disk: Disk) -> Disk:
    """As its user describes it: a pool and a volume."""
    if disk.type != "volume" or disk.source is None or disk.source.actual("volume") == "volume":
        return disk
    source = replace(disk.source, file=None, dev=None, protocol=None, name=None, hosts=())
    return replace(disk, source=source)


def shown(domain: Domain) -> Domain:
    """The live description as readers get it."""
    disks = domain.devices.disks
    plain = tuple(map(unresolved, disks))
    if all(one is other for one, other in zip(plain, disks, strict=True)):
        return domain
    return replace(domain, devices=replace(domain.devices, disks=plain))
