"""Disks: target, bus, what the device can have; the source and the driver have files of their own."""

from __future__ import annotations

from collections.abc import Iterator

from embervirt.drivers.qemu.addresses.drive import on_lsilogic
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.address import DriveAddress, PciAddress, UsbAddress
from embervirt.drivers.qemu.model.disk import Disk
from embervirt.drivers.qemu.model.errors import MissingTarget
from embervirt.drivers.qemu.postparse.disk import disk_index
from embervirt.drivers.qemu.validate import disk_driver, disk_source
from embervirt.errors import ConfigUnsupported, InternalError, XmlError, libvirtError

BUSES = ("virtio", "ide", "sata", "scsi", "usb", "fdc")
DRIVE_LIMITS = {
    "ide": (("controller", 0, InternalError), ("target", 0, ConfigUnsupported)),
    "sata": (("bus", 0, ConfigUnsupported), ("target", 0, ConfigUnsupported)),
    "scsi": (("bus", 0, InternalError),),
    "fdc": (
        ("controller", 0, InternalError),
        ("bus", 0, InternalError),
        ("target", 0, ConfigUnsupported),
        ("unit", 1, InternalError),
    ),
}
"""Of each bus the highest numbers in a drive's address; the others are the controller's own matter."""

HARD_DISKS = ("hd", "sd", "vd", "xvd", "ubd")
"""How their names begin."""

VENDOR, PRODUCT = 8, 16
"""Characters."""


def check(domain: Domain) -> None:
    """Each disk, and all of them beside each other.

    Raises MissingTarget, MissingSource, XmlError, ConfigUnsupported, InternalError, ArgumentUnsupported.
    """
    disks = domain.devices.disks
    for disk in disks:
        _target(disk)
        for rules in (_bus, _device, _sizes, _address):
            _first(rules(disk))
        _first(_scsi_target(disk, domain))
        disk_source.check(disk)
        disk_driver.check(disk, domain)
    disk_driver.check_groups(disks)
    _unique_targets(disks)
    _unique_places(disks)


def _first(errors: Iterator[libvirtError]) -> None:
    for error in errors:
        raise error


def _target(disk: Disk) -> None:
    dev = disk.target.dev if disk.target else None
    if dev is None:
        raise MissingTarget(disk.file or "without a source")
    if (disk.device, disk.bus) == ("floppy", "fdc") and not dev.startswith("fd"):
        raise InternalError(f"Invalid floppy device name: {dev}")
    if disk.device in ("disk", "lun") and not dev.startswith(HARD_DISKS):
        raise InternalError(f"Invalid harddisk device name: {dev}")
    if disk_index(dev) is None:
        raise ConfigUnsupported(f"invalid disk target '{dev}', partitions can't appear in disk targets")
    if disk.bus not in BUSES:
        served = ", ".join(BUSES)
        raise ConfigUnsupported(f"disk '{dev}': bus '{disk.bus}' is not served; expected one of: {served}")


def _bus(disk: Disk) -> Iterator[libvirtError]:
    """Which devices are on which bus."""
    dev, bus, device = disk.dev, disk.bus, disk.device
    if device == "floppy" and bus != "fdc":
        yield InternalError(f"Invalid bus type '{bus}' for floppy disk '{dev}'; expected fdc")
    if device != "floppy" and bus == "fdc":
        yield InternalError(f"Invalid bus type 'fdc' for disk '{dev}', which is a {device}")
    if device == "cdrom" and bus == "virtio":
        text = f"disk type of '{dev}' does not support ejectable media"
        yield ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)
    if device == "lun" and bus not in ("virtio", "scsi"):
        yield ConfigUnsupported(f"disk device='lun' is not supported for bus='{bus}'")
    if disk.model and bus != "virtio":
        yield ConfigUnsupported(f"disk model '{disk.model}' not supported for bus '{bus}'")
    if disk.readonly and device == "disk" and bus in ("ide", "sata"):
        yield ConfigUnsupported(f"readonly {bus} disks are not supported: '{dev}'")


def _device(disk: Disk) -> Iterator[libvirtError]:
    """What only some devices have."""
    lun, target, dev = disk.device == "lun", disk.target, disk.dev
    if (disk.rawio is not None or disk.sgio) and not lun:
        yield ConfigUnsupported(f"{'sgio' if disk.sgio else 'rawio'} can be used only with device='lun'")
    if target and target.removable is not None and disk.bus != "usb":
        yield XmlError(f"removable is only valid for usb disks, '{dev}' is on {disk.bus}")
    if target and target.tray and not disk.removable:
        yield ConfigUnsupported(f"tray is only valid for cdrom and floppy, '{dev}' is a {disk.device}")
    if target and target.rotation_rate:
        if disk.bus not in ("scsi", "ide", "sata"):
            yield InternalError("rotation rate is only valid for SCSI/IDE/SATA bus")
        if disk.device != "disk":
            yield InternalError("rotation rate is only valid for disk device")
    if disk.wwn:
        if disk.bus not in ("ide", "scsi"):
            yield ConfigUnsupported("Only ide and scsi disk support wwn")
        if lun:
            yield ConfigUnsupported("Setting wwn is not supported for lun device")
    if disk.vendor or disk.product:
        if disk.bus != "scsi":
            yield ConfigUnsupported("Only scsi disk supports vendor and product")
        if lun:
            yield ConfigUnsupported("Setting vendor or product is not supported for lun device")
    if lun and disk.bus == "scsi" and disk.serial:
        yield ConfigUnsupported("scsi-block 'lun' devices do not support the serial property")


def _sizes(disk: Disk) -> Iterator[libvirtError]:
    for name, given, most in (("vendor", disk.vendor, VENDOR), ("product", disk.product, PRODUCT)):
        if given and len(given) > most:
            yield ConfigUnsupported(f"disk {name} is more than {most} characters: '{given[:40]}'")
    if disk.geometry:
        if disk.bus == "usb":
            yield ConfigUnsupported("CHS geometry can not be set for 'usb' bus")
        if disk.geometry.trans and disk.bus != "ide":
            yield ConfigUnsupported(f"CHS translation mode can only be set for 'ide' bus not '{disk.bus}'")


def _address(disk: Disk) -> Iterator[libvirtError]:
    """The kind of address that the bus has, and numbers that are there."""
    address, bus = disk.address, disk.bus or ""
    if address is None:
        return
    expected = {"virtio": PciAddress, "usb": UsbAddress}.get(bus, DriveAddress)
    if not isinstance(address, expected):
        if bus == "usb":
            yield InternalError(f"unexpected address type for usb disk '{disk.dev}': '{address.type}'")
        if bus == "virtio":
            yield ConfigUnsupported(f"virtio disk cannot have an address of type '{address.type}'")
        what = f"Invalid address type '{address.type}' for the disk '{disk.dev}'"
        yield ConfigUnsupported(f"{what} with the bus type '{bus}'")
    for name, most, error in DRIVE_LIMITS.get(bus, ()):
        if getattr(address, name) > most:
            given = getattr(address, name)
            yield error(f"disk '{disk.dev}': {name} of a drive on {bus} must be 0 to {most}, not {given}")


def _scsi_target(disk: Disk, domain: Domain) -> Iterator[libvirtError]:
    address = disk.address
    if disk.bus != "scsi" or not isinstance(address, DriveAddress) or not address.target:
        return
    if on_lsilogic(disk, domain.devices.controllers):
        yield ConfigUnsupported(
            f"disk '{disk.dev}': target must be 0 for controller model 'lsilogic', not {address.target}"
        )


def _unique_targets(disks: tuple[Disk, ...]) -> None:
    seen: dict[str, Disk] = {}
    for disk in disks:
        other = seen.setdefault(disk.dev, disk)
        if other is not disk:
            raise XmlError(
                f"target '{disk.dev}' duplicated for disk sources '{other.file}' and '{disk.file}'"
            )


def _unique_places(disks: tuple[Disk, ...]) -> None:
    seen: dict[tuple[str | None, DriveAddress], Disk] = {}
    for disk in disks:
        at = disk.address
        if isinstance(at, DriveAddress):
            other = seen.setdefault((disk.bus, at), disk)
            if other is not disk:
                where = f"controller='{at.controller}' bus='{at.bus}' target='{at.target}' unit='{at.unit}'"
                text = f"Found duplicate drive address for disk with target name '{other.dev}' {where}"
                raise ConfigUnsupported(text)
