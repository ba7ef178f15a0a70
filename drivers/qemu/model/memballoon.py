"""``<memballoon>``: memory that the guest gives back."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import VIRTIO, Device, VirtioDriver
from embervirt.drivers.xml import Element, attr, child, choice, integer, on_off
from embervirt.errors import InternalError

_SECONDS = integer(-(2**31), 2**31 - 1)


class BalloonStats(Element, tag="stats"):
    """How often the guest's memory statistics are fetched, in seconds."""

    period: int | None = attr("period", _SECONDS, default=None)


class Memballoon(Device, tag="memballoon"):
    model: str = attr("model", choice(*VIRTIO, "none", later=("xen",), refused=InternalError))
    autodeflate: bool | None = attr("autodeflate", on_off, default=None)
    free_page_reporting: bool | None = attr("freePageReporting", on_off, default=None)
    stats: BalloonStats | None = child(BalloonStats, default=None)
    driver: VirtioDriver | None = child(VirtioDriver, default=None)
