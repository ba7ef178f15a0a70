"""A disk: the nodes of its images (``disk_source``) and the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from embervirt.drivers.qemu.addresses.drive import narrow
from embervirt.drivers.qemu.model import Disk, DiskDriver
from embervirt.drivers.qemu.model.address import DriveAddress
from embervirt.drivers.qemu.parts import disk_source, virtio
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Option, Part, Pluggable

IDE = {"cdrom": "ide-cd", "disk": "ide-hd"}
SCSI = {"cdrom": "scsi-cd", "disk": "scsi-hd", "lun": "scsi-block"}


def parts(disk: Disk, build: Build) -> Iterable[Pluggable]:
    """The nodes, then the device. Raises what ``disk_source.nodes`` raises."""
    yield from disk_source.nodes(disk, build.run)
    yield device(disk, build)


def medium(disk: Disk, build: Build) -> list[Pluggable]:
    """The nodes of what is in the drive, the one that ``top`` names last; none for an empty drive."""
    return list(disk_source.nodes(disk, build.run))


def top(disk: Disk, build: Build) -> str | None:
    """The node that the device reads and writes; None for an empty drive."""
    return disk_source.top_node(disk)


def device(disk: Disk, build: Build) -> Device:
    """What the guest sees, over the nodes of the disk if it has a medium."""
    driver = disk.driver or DiskDriver()
    node = disk_source.top_node(disk)
    props = {
        **_by_bus(disk, driver, build),
        **({"share-rw": True} if disk.shareable else {}),
        **({"drive": node} if node else {}),
        **({} if disk.bus == "fdc" else build.boot(disk)),
        **_identity(disk),
        **_shape(disk),
        **_errors(driver),
    }
    mode = disk_source.cache_mode(disk)
    if mode and disk.device != "lun":
        props["write-cache"] = "on" if disk_source.CACHE[mode][2] else "off"
    return Device(_driver(disk), disk.id, props)


def _driver(disk: Disk) -> str:
    match disk.bus:
        case "virtio":
            return virtio.driver("virtio-blk", disk.model)
        case "scsi":
            return SCSI[disk.device]
        case "usb":
            return "usb-storage"
        case "fdc":
            return "floppy"
    return IDE[disk.device]


def _by_bus(disk: Disk, driver: DiskDriver, build: Build) -> dict[str, Any]:
    match disk.bus:
        case "virtio":
            return {**_virtio(disk, driver), **place(disk, build)}
        case "scsi":
            return _scsi(disk, build)
        case "usb":
            removable = bool(disk.target and disk.target.removable)
            return {**place(disk, build), "removable": removable}
        case "fdc":
            return {"unit": _address(disk).unit}
    return _ide(disk, build)


def _virtio(disk: Disk, driver: DiskDriver) -> dict[str, Any]:
    given = {
        "scsi": True if disk.device == "lun" else None,
        "iothread": None if driver.iothread is None else f"iothread{driver.iothread}",
        "ioeventfd": driver.ioeventfd,
        "event_idx": driver.event_idx,
        "num-queues": driver.queues,
        "queue-size": driver.queue_size,
    }
    return {**{name: value for name, value in given.items() if value is not None}, **virtio.options(driver)}


def _address(disk: Disk) -> DriveAddress:
    return disk.address if isinstance(disk.address, DriveAddress) else DriveAddress()


def _ide(disk: Disk, build: Build) -> dict[str, Any]:
    """``pcie.0`` has a SATA controller of its own (``ide.N``, a bus for a disk); IDE has two disks a bus."""
    at = _address(disk)
    if disk.bus == "ide":
        return {"bus": f"{build.bus('ide', at.controller)}.{at.bus}", "unit": at.unit}
    return {"bus": f"{build.bus('sata', at.controller)}.{at.unit}"}


def _scsi(disk: Disk, build: Build) -> dict[str, Any]:
    """The old parallel controllers only count targets; all others have units behind them."""
    at = _address(disk)
    bus: dict[str, Any] = {"bus": f"{build.bus('scsi', at.controller)}.0"}
    if narrow(disk, build.domain.devices.controllers):
        bus["scsi-id"] = at.unit
    else:
        bus |= {"channel": at.bus, "scsi-id": at.target, "lun": at.unit}
    if disk.device != "lun":
        bus["device_id"] = disk.serial or f"drive-{disk.id}"
    return bus


def _identity(disk: Disk) -> dict[str, Any]:
    """Blanks of a serial number get a backslash, as libvirt gives them: the guest sees it."""
    given = {
        "wwn": int(disk.wwn, 16) if disk.wwn else None,
        "vendor": disk.vendor,
        "product": disk.product,
        "serial": disk.serial.replace(" ", "\\ ") if disk.serial else None,
    }
    return {name: value for name, value in given.items() if value}


def _shape(disk: Disk) -> dict[str, Any]:
    shape, sizes = disk.geometry, disk.blockio
    given: dict[str, Any] = {"rotation_rate": disk.target.rotation_rate if disk.target else None}
    if shape:
        given |= {"cyls": shape.cyls, "heads": shape.heads, "secs": shape.secs}
        given["bios-chs-trans"] = shape.trans
    if sizes:
        given |= {"logical_block_size": sizes.logical, "physical_block_size": sizes.physical}
    return {name: value for name, value in given.items() if value}


def _errors(driver: DiskDriver) -> dict[str, str]:
    """What a failed write and read does; a policy for full disks says nothing of reads."""
    policy = driver.error_policy
    if policy == "enospace":
        reading = driver.rerror_policy
        given = {"werror": "enospc", "rerror": reading}
    else:
        given = {"werror": policy, "rerror": driver.rerror_policy or policy}
    return {name: value for name, value in given.items() if value}


def floppy_controller(build: Build) -> Iterator[Part]:
    """A pc has one, q35 has none; the boot order of drives is the controller's."""
    drives = [disk for disk in build.domain.devices.disks if disk.bus == "fdc"]
    boots = {f"bootindex{'AB'[_address(disk).unit]}": build.boot(disk) for disk in drives}
    order = {name: boot["bootindex"] for name, boot in boots.items() if boot}
    if build.domain.q35:
        yield Device("isa-fdc", None, order)
    else:
        yield from (Option("global", f"isa-fdc.{name}={place}") for name, place in order.items())
