"""``<watchdog>``: what acts when the guest does not report any more."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.xml import attr, choice
from embervirt.errors import ConfigUnsupported, InternalError

_ACTIONS = ("reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi")


class Watchdog(Device, tag="watchdog"):
    """``dump`` is done by who hears of it: QEMU pauses the guest. ``itco`` is part of every q35."""

    model: str = attr(
        "model",
        choice("i6300esb", "ib700", "itco", error=ConfigUnsupported, later=("diag288",)),
        missing=InternalError,
    )
    action: str | None = attr("action", choice(*_ACTIONS, error=ConfigUnsupported), default=None)
