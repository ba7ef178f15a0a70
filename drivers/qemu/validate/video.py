"""Graphics cards."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.address import PciAddress
from embervirt.drivers.qemu.model.video import Video, VideoModel
from embervirt.drivers.qemu.parts.virtio import options
from embervirt.drivers.xml import NumericalOverflow
from embervirt.errors import ConfigUnsupported, XmlError

SECONDARY = ("qxl", "virtio")
"""Cards that can stand beside another."""

HEADS = ("qxl", "virtio")
RESOLUTION = ("vga", "qxl", "virtio", "bochs")
WHOLE_MIB = ("vga", "vmvga")
"""Cards whose memory QEMU counts in MiB."""

MIB = 1024
MOST = (2**32 - 1) // 1024
"""KiB of memory of a qxl card; it is fewer than 4 GiB."""


def check(domain: Domain) -> None:
    """Each card, and which may stand beside which."""
    videos = domain.devices.videos
    if len(videos) > 1 and any(video.model.type == "none" for video in videos):
        what = "a 'none' video type must be the only video device defined for the domain"
        raise ConfigUnsupported(what)
    if sum(video.primary for video in videos) > 1:
        raise ConfigUnsupported("Only one primary video device is supported")
    for video in videos:
        _check(video)


def _check(video: Video) -> None:
    model = video.model
    kind = model.type
    if not video.primary and kind not in (*SECONDARY, "none"):
        raise ConfigUnsupported(f"video type '{kind}' is only valid as primary video device")
    if model.heads not in (None, 1) and kind not in HEADS:
        raise ConfigUnsupported(f"video type '{kind}' doesn't support multiple 'heads'")
    for name in ("ram", "vram64", "vgamem"):
        if getattr(model, name) is not None and kind != "qxl":
            raise ConfigUnsupported(f"{name} attribute only supported for video type qxl")
    _memory(model)
    _acceleration(model)
    if model.resolution and not (model.resolution.x and model.resolution.y):
        raise ConfigUnsupported("video resolution values must be greater than 0")
    if model.resolution and kind not in RESOLUTION:
        raise XmlError("model resolution is not supported")
    if video.address and kind == "ramfb":
        raise ConfigUnsupported(f"address not supported for video type {kind}")
    if video.address and not isinstance(video.address, PciAddress):
        what = f"video type '{kind}' requires address type 'pci', not '{video.address.type}'"
        raise ConfigUnsupported(what)
    _driver(video)


def _memory(model: VideoModel) -> None:
    for name in ("ram", "vram"):
        if model.type == "qxl" and (getattr(model, name) or 0) > MOST:
            raise NumericalOverflow(f"value for '{name}' must be less than '{MOST}'")
    for name, size in (("vgamem", model.vgamem), ("vram", model.vram if model.type in WHOLE_MIB else None)):
        if size is not None and size < MIB:
            raise ConfigUnsupported(f"value for '{name}' must be at least 1 MiB (1024 KiB)")
    if model.vgamem and model.vgamem & (model.vgamem - 1):
        raise ConfigUnsupported("value for 'vgamem' must be power of two")


def _acceleration(model: VideoModel) -> None:
    acceleration = model.acceleration
    if acceleration is None:
        return
    if acceleration.accel2d is None and acceleration.accel3d is None:
        raise ConfigUnsupported("missing values for acceleration; expected accel3d='yes' or 'no'")
    if acceleration.accel2d:
        raise ConfigUnsupported("qemu does not support 2d video acceleration")
    if acceleration.accel3d and model.type != "virtio":
        raise ConfigUnsupported("3d acceleration is supported only with 'virtio' video device")


def _driver(video: Video) -> None:
    if video.model.type != "virtio" and options(video.driver):
        said = ", ".join(options(video.driver))
        raise ConfigUnsupported(f"driver option {said} is only supported for virtio devices")
