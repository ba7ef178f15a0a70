"""Graphics cards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model.video import Video
from embervirt.drivers.qemu.parts import virtio
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Part

PRIMARY = {
    "cirrus": "cirrus-vga",
    "vga": "VGA",
    "vmvga": "vmware-svga",
    "qxl": "qxl-vga",
    "virtio": "virtio-vga",
    "bochs": "bochs-display",
    "ramfb": "ramfb",
}
SECONDARY = {"qxl": "qxl", "virtio": "virtio-gpu"}


def parts(video: Video, build: Build) -> Iterable[Part]:
    """Nothing for ``none``."""
    if video.model.type == "none":
        return
    yield Device(_driver(video), video.id, {**_props(video), **place(video, build)})


def _driver(video: Video) -> str:
    accelerated = video.model.acceleration and video.model.acceleration.accel3d
    suffix = "-gl" if accelerated else ""
    if video.primary:
        return PRIMARY[video.model.type] + suffix
    if video.model.type == "virtio":
        return f"virtio-gpu{suffix}-pci"
    return SECONDARY[video.model.type]


def _props(video: Video) -> dict[str, Any]:
    model = video.model
    props: dict[str, Any] = virtio.options(video.driver) if model.type == "virtio" else {}
    if model.type in SECONDARY and model.heads:
        props["max_outputs"] = model.heads
    if model.type == "qxl":
        props |= {"ram_size": (model.ram or 0) * 1024, "vram_size": (model.vram or 0) * 1024}
        props |= {"vram64_size_mb": (model.vram64 or 0) // 1024, "vgamem_mb": (model.vgamem or 0) // 1024}
    if model.type in ("vga", "vmvga"):
        props["vgamem_mb"] = (model.vram or 0) // 1024
    if model.type == "bochs":
        props["vgamem"] = (model.vram or 0) * 1024
    if model.resolution:
        props |= {"xres": model.resolution.x, "yres": model.resolution.y}
    return props
