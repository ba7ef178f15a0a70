"""A disk: an encrypted key if it needs one, the file's node, the format's node, the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from embervirt.drivers.qemu.model import Disk, DiskDriver
from embervirt.drivers.qemu.model.address import Address, number
from embervirt.drivers.qemu.parts.bus import pci
from embervirt.drivers.qemu.parts.context import CompileContext
from embervirt.drivers.qemu.parts.names import disk_id
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


def parts(disk: Disk, node: int, boot: int | None, root: str, ctx: CompileContext) -> Iterable[Part]:
    """``node`` numbers the block nodes, ``boot`` is the place in the boot order, ``root`` PCI's bus 0."""
    driver = disk.driver or DiskDriver()
    drive = {}
    if disk.file:
        yield from _nodes(disk, driver, disk.file, node, ctx)
        drive = {"drive": f"libvirt-{node}-format"}
    props: dict[str, Any] = {**_place(disk, root), **({"share-rw": True} if disk.shareable else {}), **drive}
    if boot is not None:
        props["bootindex"] = boot
    if driver.cache in CACHE and disk.device == "disk":
        props["write-cache"] = "on" if CACHE[driver.cache][2] else "off"
    if disk.serial:
        props["serial"] = disk.serial
    yield Device(_driver(disk), disk_id(disk), props)


def _driver(disk: Disk) -> str:
    if disk.bus == "virtio":
        return "virtio-blk-pci"
    return "ide-cd" if disk.device == "cdrom" else "ide-hd"


def _place(disk: Disk, root: str) -> dict[str, Any]:
    """``pcie.0`` has a SATA controller of its own (``ide.N``, a bus for a disk); IDE has two disks a bus."""
    address = disk.address or Address(type="drive")
    if disk.bus == "virtio":
        return pci(disk.address, root)
    if disk.bus == "ide":
        return {"bus": f"ide.{number(address.bus)}", "unit": number(address.unit)}
    built_in = root == "pcie.0" and not number(address.controller)
    return {"bus": f"{'ide' if built_in else f'sata{number(address.controller)}'}.{number(address.unit)}"}


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
