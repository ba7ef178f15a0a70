"""Disks: target, source, driver."""

from __future__ import annotations

from embervirt.drivers.qemu.model.address import DriveAddress, PciAddress
from embervirt.drivers.qemu.model.disk import Disk, EncryptionSecret
from embervirt.drivers.qemu.model.errors import MissingSource, MissingTarget
from embervirt.drivers.qemu.postparse.disk import disk_index
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, XmlError

SERVED_BUSES = ("virtio", "ide", "sata")


def check(disks: tuple[Disk, ...]) -> None:
    """Each disk, and all of them beside each other."""
    for disk in disks:
        _disk_target(disk)
        _disk_source(disk)
        _disk_driver(disk)
    _unique_targets(disks)
    places = [
        (disk.bus, a.controller, a.bus, a.target, a.unit)
        for disk in disks
        if isinstance(a := disk.address, DriveAddress)
    ]
    twice = repeated(places)
    if twice:
        bus, controller, channel, target, unit = twice
        where = f"controller {controller}, bus {channel}, target {target}, unit {unit}"
        raise XmlError(f"Found duplicate drive address for two disks on bus '{bus}': {where}")


def _disk_target(disk: Disk) -> None:
    if disk.target is None:
        raise MissingTarget(disk.file or "without a source")
    dev = disk.dev
    if disk_index(dev.rstrip("0123456789")) is None:
        raise XmlError(f"Unknown disk name '{dev[:40]}'; expected vda, sda, hda and so on")
    if disk_index(dev) is None:
        raise ConfigUnsupported(f"invalid disk target '{dev}', partitions can't appear in disk targets")
    if disk.bus not in SERVED_BUSES:
        served = ", ".join(SERVED_BUSES)
        raise ConfigUnsupported(f"disk '{dev}': bus '{disk.bus}' is not served; expected one of: {served}")
    if disk.device == "cdrom" and disk.bus == "virtio":
        raise ConfigUnsupported(
            f"disk type of '{dev}' does not support ejectable media; expected bus ide or sata"
        )
    expected = PciAddress if disk.bus == "virtio" else DriveAddress
    if disk.address and not isinstance(disk.address, expected):
        word = expected().type
        raise ConfigUnsupported(
            f"disk '{dev}': a {disk.bus} disk has an address of type '{word}', not '{disk.address.type}'"
        )


def _disk_source(disk: Disk) -> None:
    if not disk.file and disk.device == "disk":
        raise MissingSource(disk.dev)
    if disk.encrypted:
        _one_secret(disk.dev, disk.encrypted.secrets)


def _one_secret(dev: str, secrets: tuple[EncryptionSecret, ...]) -> None:
    if len(secrets) != 1:
        raise XmlError(f"disk '{dev}': encryption 'luks' needs one <secret>, {len(secrets)} are there")
    if not secrets[0].uuid and not secrets[0].usage:
        raise XmlError(f"disk '{dev}': missing secret uuid or usage attribute")
    if secrets[0].uuid and secrets[0].usage:
        raise XmlError(f"disk '{dev}': either secret uuid or usage expected, not both")


def _disk_driver(disk: Disk) -> None:
    driver = disk.driver
    if driver is None:
        return
    if driver.io == "native" and driver.cache not in ("none", "directsync"):
        raise ConfigUnsupported(
            f"disk '{disk.dev}': io='native' needs either no disk cache or directsync cache mode"
        )
    if disk.shareable and driver.type != "raw":
        raise ConfigUnsupported(
            f"shared access for disk '{disk.dev}' requires use of supported storage format: raw"
        )


def _unique_targets(disks: tuple[Disk, ...]) -> None:
    seen: dict[str, Disk] = {}
    for disk in disks:
        other = seen.setdefault(disk.dev, disk)
        if other is not disk:
            raise XmlError(
                f"target '{disk.dev}' duplicated for disk sources '{other.file}' and '{disk.file}'"
            )
