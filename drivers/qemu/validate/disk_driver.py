"""The driver of a disk: caching, queues, threads, limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.disk import Disk
from embervirt.drivers.qemu.model.disk_driver import DiskDriver
from embervirt.errors import ArgumentUnsupported, ConfigUnsupported, XmlError, libvirtError

MOST = 10**15
"""QEMU's highest limit, bytes or operations a second."""


def check(disk: Disk, domain: Domain) -> None:
    """Raises ConfigUnsupported, XmlError, ArgumentUnsupported."""
    driver = disk.driver or DiskDriver()
    for rules in (_virtio(disk, driver), _image(disk, driver), _thread(disk, driver, domain), _limits(disk)):
        for error in rules:
            raise error


def _virtio(disk: Disk, driver: DiskDriver) -> Iterator[libvirtError]:
    if disk.bus == "virtio":
        return
    for name in driver.virtio_only:
        if name == "queues":
            yield ConfigUnsupported("queues attribute in disk driver element is only supported by virtio-blk")
        yield ConfigUnsupported(f"disk {name} mode supported only for virtio bus")
    for name in driver.options:
        yield ConfigUnsupported(f"{name} driver option is only supported for virtio devices")


def _image(disk: Disk, driver: DiskDriver) -> Iterator[libvirtError]:
    dev = disk.dev
    if driver.name not in (None, "qemu"):
        yield ConfigUnsupported(f"unsupported driver name '{driver.name}' for disk '{dev}'; expected qemu")
    if driver.io == "native" and driver.cache not in ("none", "directsync"):
        text = f"disk '{dev}': io='native' needs either no disk cache or directsync cache mode"
        yield ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
    if disk.shareable and not disk.readonly and driver.format != "raw":
        yield ConfigUnsupported(
            f"shared access for disk '{dev}' requires use of supported storage format: raw"
        )
    if driver.metadata_cache and driver.type != "qcow2":
        yield ConfigUnsupported("metadata cache max size control is supported only with qcow2 images")
    if driver.copy_on_read:
        if disk.removable:
            yield ConfigUnsupported(f"copy_on_read is not supported with removable disk '{dev}'")
        if disk.readonly:
            yield ConfigUnsupported(f"copy_on_read is not compatible with read-only disk '{dev}'")
        if disk.device == "lun":
            yield ConfigUnsupported(f"copy_on_read is not compatible with 'lun' disk '{dev}'")
    for layer in disk.backing:
        kind = layer.format
        if kind and kind.metadata_cache and kind.type != "qcow2":
            yield ConfigUnsupported("metadata cache max size control is supported only with qcow2 images")


def _thread(disk: Disk, driver: DiskDriver, domain: Domain) -> Iterator[libvirtError]:
    if driver.iothread is None:
        return
    if disk.bus != "virtio":
        yield ConfigUnsupported(f"IOThreads not available for bus {disk.bus} target {disk.dev}")
    if driver.iothread not in [thread.id for thread in domain.iothreads]:
        yield ConfigUnsupported(f"Disk iothread '{driver.iothread}' not defined in iothreadid")


def _limits(disk: Disk) -> Iterator[libvirtError]:
    tune = disk.iotune
    if tune is None:
        return
    for name, word in (("bps", "bytes_sec"), ("iops", "iops_sec")):
        for suffix in ("", "_max", "_max_length"):
            either = [getattr(tune, f"{name}_{way}{suffix}") for way in ("rd", "wr")]
            if getattr(tune, name + suffix) and any(either):
                yield XmlError(f"total and read/write {word}{suffix} cannot be set at the same time")
    if any(number > MOST for number in tune.limits):
        yield ArgumentUnsupported(f"block I/O throttle limit must be no more than {MOST} using QEMU")
    if tune.group and not tune.limits:
        yield ConfigUnsupported("group_name can be configured only together with settings")


def check_groups(disks: Iterable[Disk]) -> None:
    """Disks of one group have the same limits, for they share them. Raises ConfigUnsupported."""
    seen: dict[str, Disk] = {}
    for disk in disks:
        if disk.iotune and disk.iotune.group:
            other = seen.setdefault(disk.iotune.group, disk)
            if other.iotune != disk.iotune:
                raise ConfigUnsupported(f"different iotunes for disks {other.dev} and {disk.dev}")
