"""``<panic>``: how the guest tells that it has crashed."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.xml import attr, choice
from embervirt.errors import ConfigUnsupported


class Panic(Device, tag="panic"):
    """``hyperv`` is a feature of the CPU."""

    model: str | None = attr(
        "model", choice("isa", "hyperv", error=ConfigUnsupported, later=("pseries", "s390")), default=None
    )
