"""``<memballoon>``: memory that the guest gives back."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.xml import Element, attr, child, choice, integer, on_off

_VIRTIO = ("virtio-transitional", "virtio-non-transitional")
_UNSIGNED = integer(0, 2**32 - 1)


class BalloonStats(Element, tag="stats"):
    """How often the guest's memory statistics are fetched, in seconds."""

    period: int = attr("period", _UNSIGNED)


class Memballoon(Device, tag="memballoon", refuse=("driver",)):
    model: str = attr("model", choice("virtio", "none", later=("xen", *_VIRTIO)))
    autodeflate: bool | None = attr("autodeflate", on_off, default=None)
    free_page_reporting: bool | None = attr("freePageReporting", on_off, default=None)
    stats: BalloonStats | None = child(BalloonStats, default=None)
