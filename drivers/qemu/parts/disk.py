"""A disk: an encrypted key if it needs one, the file's node, the format's node, the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from embervirt.drivers.qemu.model import Disk, DiskDriver
from embervirt.drivers.qemu.model.address import DriveAddress
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.context import CompileContext
from embervirt.drivers.qemu.parts.part import Blockdev, Device, Object, Part
from embervirt.drivers.qemu.parts.secret import MASTER_KEY

CACHE = {
    "none": (True, False, True),
    "writethrough": (False, False, False),
    "writeback": (False, False, True),
    "directsync": (True, False, False),
    "unsafe": (False, True, True),
}
"""``cache`` as (direct, no-flush, the device's write cache). Source: qemu-options, ``-drive cache=``."""


def parts(disk: Disk, build: Build) -> Iterable[Part]:
    """The last disk has the lowest number of a node, as in libvirt."""
    driver = disk.driver or DiskDriver()
    disks = build.domain.devices.disks
    node = len(disks) - disks.index(disk)
    drive = {}
    if disk.file:
        yield from _nodes(disk, driver, disk.file, node, build.run)
        drive = {"drive": f"libvirt-{node}-format"}
    props: dict[str, Any] = {**_place(disk, build), **({"share-rw": True} if disk.shareable else {}), **drive}
    props |= build.boot(disk)
    if driver.cache in CACHE and disk.device == "disk":
        props["write-cache"] = "on" if CACHE[driver.cache][2] else "off"
    if disk.serial:
        props["serial"] = disk.serial
    yield Device(_driver(disk), disk.id, props)


def _driver(disk: Disk) -> str:
    if disk.bus == "virtio":
        return "virtio-blk-pci"
    return "ide-cd" if disk.device == "cdrom" else "ide-hd"


def _place(disk: Disk, build: Build) -> dict[str, Any]:
    """``pcie.0`` has a SATA controller of its own (``ide.N``, a bus for a disk); IDE has two disks a bus."""
    address = disk.address
    if not isinstance(address, DriveAddress):
        return place(address, build)
    if disk.bus == "ide":
        return {"bus": f"ide.{address.bus}", "unit": address.unit}
    return {"bus": f"{build.bus('sata', address.controller)}.{address.unit}"}


def _nodes(disk: Disk, driver: DiskDriver, file: str, node: int, ctx: CompileContext) -> Iterator[Part]:
    cache = _cache(driver)
    aio = {"aio": driver.io} if driver.io else {}
    storage = f"libvirt-{node}-storage"
    format_, key = _format(disk, driver, node)
    if disk.encrypted:
        value = ctx.secret(disk.encrypted.secrets[0])
        props = {"data": value.data, "keyid": MASTER_KEY, "iv": value.iv, "format": "base64"}
        yield Object("secret", key, props)
    yield Blockdev(
        {
            "driver": "file",
            "filename": file,
            **aio,
            "node-name": storage,
            **cache,
            "auto-read-only": True,
            "discard": "unmap",
        }
    )
    yield Blockdev(
        {
            "node-name": f"libvirt-{node}-format",
            "read-only": disk.readonly,
            **_zeroes(driver),
            **cache,
            **format_,
            "file": storage,
            **({"backing": None} if disk.backing_store and driver.type == "qcow2" else {}),
        }
    )


def _format(disk: Disk, driver: DiskDriver, node: int) -> tuple[dict[str, Any], str]:
    """The format's driver with its decryption, and the id of the key's object."""
    key = f"libvirt-{node}-format-encryption-secret0"
    if not disk.encrypted:
        return {"driver": driver.type}, key
    if driver.type == "raw":
        return {"driver": "luks", "key-secret": key}, key
    return {"driver": driver.type, "encrypt": {"format": "luks", "key-secret": key}}, key


def _cache(driver: DiskDriver) -> dict[str, Any]:
    if driver.cache not in CACHE:
        return {}
    direct, no_flush, _ = CACHE[driver.cache]
    return {"cache": {"direct": direct, "no-flush": no_flush}}


def _zeroes(driver: DiskDriver) -> dict[str, Any]:
    """What becomes of discarded and of zeroed blocks; zeroes are only unmapped where discards are."""
    props = {"discard": driver.discard} if driver.discard else {}
    zeroes = driver.detect_zeroes
    if zeroes == "unmap" and driver.discard != "unmap":
        zeroes = "on"
    return {**props, "detect-zeroes": zeroes} if zeroes else props
