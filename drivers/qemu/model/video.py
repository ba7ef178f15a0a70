"""``<video>``: a graphics card."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device, VirtioDriver
from embervirt.drivers.xml import Element, attr, child, choice, integer, yes_no
from embervirt.errors import ConfigUnsupported, InternalError

_KIB = integer(0, 2**32 - 1)


class Acceleration(Element, tag="acceleration", refuse=("@rendernode",)):
    accel2d: bool | None = attr("accel2d", yes_no, default=None)
    accel3d: bool | None = attr("accel3d", yes_no, default=None)


class Resolution(Element, tag="resolution"):
    """Pixels; a side of none is refused by ``validate``."""

    x: int = attr("x", integer(0, 2**31 - 1))
    y: int = attr("y", integer(0, 2**31 - 1))


class VideoModel(Element, tag="model"):
    """Sizes are KiB; ``ram``, ``vram64`` and ``vgamem`` are of qxl only. Only before ``postparse`` it is
    of type ``default``."""

    type: str = attr(
        "type",
        choice(
            *("cirrus", "vga", "vmvga", "qxl", "virtio", "bochs", "ramfb", "none", "default"),
            error=ConfigUnsupported,
            later=("xen", "vbox", "parallels", "gop"),
        ),
        default="cirrus",
    )
    ram: int | None = attr("ram", _KIB, default=None)
    vram: int | None = attr("vram", _KIB, default=None)
    vram64: int | None = attr("vram64", _KIB, default=None)
    vgamem: int | None = attr("vgamem", _KIB, default=None)
    heads: int | None = attr("heads", integer(0, 2**32 - 1, InternalError), default=None)
    primary: bool | None = attr("primary", yes_no, default=None)
    acceleration: Acceleration | None = child(Acceleration, default=None)
    resolution: Resolution | None = child(Resolution, default=None)


class VideoDriver(VirtioDriver, tag="driver"):
    name: str | None = attr("name", choice("qemu", later=("default", "vhostuser")), default=None)
    vgaconf: str | None = attr("vgaconf", choice("io", "on", "off"), default=None)


class Video(Device, tag="video"):
    driver: VideoDriver | None = child(VideoDriver, default=None)
    model: VideoModel = child(VideoModel, default=VideoModel())

    @property
    def primary(self) -> bool:
        """Whether it is the card that firmware uses; one is, after ``postparse``, and it stands first."""
        return bool(self.model.primary)
