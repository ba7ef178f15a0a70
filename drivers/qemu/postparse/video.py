"""Graphics cards: memory, heads, and which of them is the first."""

from __future__ import annotations

from embervirt.drivers.qemu.model.graphics import Graphics
from embervirt.drivers.qemu.model.video import Video, VideoModel
from embervirt.drivers.xml import replace

MEMORY = {"cirrus": 16384, "vga": 16384, "vmvga": 16384, "bochs": 16384, "qxl": 65536}
"""KiB of video memory when nobody says how much. Cards that are not here have none of their own."""

QXL_RAM, QXL_VGAMEM = 65536, 16384


def complete(videos: tuple[Video, ...], graphics: tuple[Graphics, ...]) -> tuple[Video, ...]:
    """A screen without a card gets one; the primary card stands first."""
    listed = videos or ((Video(),) if graphics else ())
    if listed and not any(video.primary for video in listed) and listed[0].model.type != "none":
        first = listed[0]
        listed = (replace(first, model=replace(first.model, primary=True)), *listed[1:])
    return tuple(sorted(map(_completed, listed), key=lambda video: not video.primary))


def _completed(video: Video) -> Video:
    model = video.model
    if model.type == "none":
        return replace(video, model=VideoModel(type="none"))
    heads = 1 if model.heads is None else model.heads
    model = replace(model, heads=heads, primary=model.primary or None, vram=_vram(model))
    if model.type == "qxl":
        vram64 = _power(model.vram64) if model.vram64 else None
        ram, vgamem = _power(model.ram or QXL_RAM), _power(model.vgamem or QXL_VGAMEM)
        model = replace(model, ram=ram, vgamem=vgamem, vram64=vram64)
    return replace(video, model=model)


def _vram(model: VideoModel) -> int | None:
    size = model.vram or MEMORY.get(model.type)
    return None if size is None else _power(size)


def _power(size: int) -> int:
    """The power of two that is not smaller, if it is a size at all (a MiB); ``validate`` refuses others."""
    return 1 << (size - 1).bit_length() if size >= 1024 else size
