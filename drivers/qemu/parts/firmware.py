"""The firmware: a ROM, or two flash chips (code, variables) behind block nodes."""

from __future__ import annotations

from collections.abc import Iterator

from embervirt.drivers.qemu.model import Disk, Domain
from embervirt.drivers.qemu.model.disk_source import DiskSource
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.disk_source import Image, image_nodes
from embervirt.drivers.qemu.parts.part import Option, Part

CHIP = "pflash{}"
"""The machine's names of its chips, and of their images: 0 has the code, 1 the variables."""


def _chips(domain: Domain) -> list[Image]:
    loader, nvram = domain.os.loader, domain.os.nvram
    if loader is None or loader.type != "pflash":
        return []
    code = DiskSource(file=loader.path)
    chips = [Image("file", code, CHIP.format(0), "raw", readonly=bool(loader.readonly))]
    if nvram and nvram.is_somewhere:
        source = nvram.source or DiskSource(file=nvram.text)
        kind = nvram.type or "file"
        chips.append(Image(kind, source, CHIP.format(1), "raw", readonly=False, auth=source.auth))
    return chips


def nodes(build: Build) -> Iterator[Part]:
    """Two nodes for each chip: the file, and its format."""
    for chip in _chips(build.domain):
        yield from image_nodes(chip, Disk(), build.run, None)


def flashes(domain: Domain) -> dict[str, str]:
    """Properties of the machine that plug the chips in."""
    return {chip.number: chip.node for chip in _chips(domain)}


def parts(domain: Domain) -> Iterator[Part]:
    """What the machine must know besides."""
    loader, features = domain.os.loader, domain.features
    if loader and loader.path and loader.type == "rom":
        yield Option("bios", loader.path)
    if loader and loader.secure and loader.type == "pflash":
        yield Option("global", "driver=cfi.pflash01,property=secure,value=on")
    if features and features.smm and features.smm.tseg and features.smm.state:
        yield Option("global", f"mch.extended-tseg-mbytes={features.smm.tseg.size // 1024}")
