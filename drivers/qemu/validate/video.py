"""Graphics cards."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.video import Video
from embervirt.errors import ConfigUnsupported, XmlError

SECONDARY = ("qxl", "virtio")
"""Cards that can stand beside another."""

HEADS = ("qxl", "virtio")
RESOLUTION = ("vga", "qxl", "virtio", "bochs")
MIB = 1024


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
    for name in ("ram", "vram", "vram64", "vgamem"):
        size = getattr(model, name)
        if size is not None and 0 < size < MIB:
            raise ConfigUnsupported(f"value for '{name}' must be at least 1 MiB (1024 KiB)")
    if model.acceleration and model.acceleration.accel3d and kind != "virtio":
        raise ConfigUnsupported("3d acceleration is supported only with 'virtio' video device")
    if model.resolution and kind not in RESOLUTION:
        raise XmlError("model resolution is not supported")
    if video.address and kind in ("ramfb", "none"):
        raise ConfigUnsupported(f"address not supported for video type {kind}")
