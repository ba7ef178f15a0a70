"""The firmware: a ROM, or two flash chips (code, variables) behind block nodes."""

from __future__ import annotations

from collections.abc import Iterator

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.parts.part import Blockdev, Option, Part

FLASH = "libvirt-pflash{}-{}"
"""Names of the nodes: 0 is code, 1 is variables; ``storage`` or ``format``."""


def _chips(domain: Domain) -> list[tuple[str, bool, bool]]:
    """Path, whether it is read only, whether it is a block device."""
    loader, nvram = domain.os.loader, domain.os.nvram
    if loader is None or loader.type != "pflash":
        return []
    chips = [(loader.path, bool(loader.readonly), False)]
    if nvram and nvram.path:
        chips.append((nvram.path, False, nvram.type == "block"))
    return chips


def nodes(domain: Domain) -> Iterator[Part]:
    """Two nodes for each chip: the file, and its format."""
    for number, (path, readonly, device) in enumerate(_chips(domain)):
        storage, format_ = FLASH.format(number, "storage"), FLASH.format(number, "format")
        driver = "host_device" if device else "file"
        shared = {"auto-read-only": True, "discard": "unmap"}
        yield Blockdev({"driver": driver, "filename": path, "node-name": storage, **shared})
        yield Blockdev({"node-name": format_, "read-only": readonly, "driver": "raw", "file": storage})


def flashes(domain: Domain) -> dict[str, str]:
    """Properties of the machine that plug the chips in."""
    return {f"pflash{number}": FLASH.format(number, "format") for number, _ in enumerate(_chips(domain))}


def parts(domain: Domain) -> Iterator[Part]:
    """What the machine must know besides."""
    loader, features = domain.os.loader, domain.features
    if loader and loader.path and loader.type == "rom":
        yield Option("bios", loader.path)
    if loader and loader.secure and loader.type == "pflash":
        yield Option("global", "driver=cfi.pflash01,property=secure,value=on")
    if features and features.smm and features.smm.tseg and features.smm.state:
        yield Option("global", f"mch.extended-tseg-mbytes={features.smm.tseg.size // 1024}")
