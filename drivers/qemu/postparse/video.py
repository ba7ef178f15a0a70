"""Graphics cards: memory, heads, and which of them is the first."""

from __future__ import annotations

from embervirt.drivers.qemu.model.graphics import Graphics
from embervirt.drivers.qemu.model.video import Video, VideoDriver, VideoModel
from embervirt.drivers.xml import replace

MEMORY = {"cirrus": 16384, "vga": 16384, "vmvga": 16384, "bochs": 16384, "qxl": 65536}
"""KiB of video memory when nobody says how much. Cards that are not here have none of their own."""

USUAL = "cirrus"
"""The card that nobody chose."""

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
        return Video(model=VideoModel(type="none"), alias=video.alias)
    heads = 1 if model.heads is None else model.heads
    model = replace(model, type=USUAL if model.type == "default" else model.type)
    model = replace(model, heads=heads, primary=model.primary or None, vram=_vram(model))
    ram, vgamem = (QXL_RAM, QXL_VGAMEM) if model.type == "qxl" else (None, None)
    model = replace(
        model, ram=_power(model.ram or ram), vgamem=model.vgamem or vgamem, vram64=model.vram64 or None
    )
    return replace(video, driver=_driver(video.driver), model=model)


def _driver(driver: VideoDriver | None) -> VideoDriver | None:
    """That VGA has I/O ports is not said."""
    done = replace(driver, vgaconf=None) if driver and driver.vgaconf == "io" else driver
    return None if done == VideoDriver() else done


def _vram(model: VideoModel) -> int | None:
    return _power(model.vram or MEMORY.get(model.type))


def _power(size: int | None) -> int | None:
    """The power of two that is not smaller."""
    return size and 1 << (size - 1).bit_length()
