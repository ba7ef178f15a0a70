"""``<hub>``: more ports on a USB bus."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.xml import attr, choice
from embervirt.errors import ConfigUnsupported, InternalError


class Hub(Device, tag="hub"):
    type: str = attr("type", choice("usb", error=ConfigUnsupported), missing=InternalError)
