"""``<input>``: keyboard, mouse, tablet, and devices of the host."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import VIRTIO, Device, VirtioDriver
from embervirt.drivers.xml import Element, attr, child, choice, on_off
from embervirt.errors import ConfigUnsupported, InternalError


class InputSource(Element, tag="source"):
    """``evdev``: of a passed-through device; the others are of type ``evdev``."""

    evdev: str | None = attr("evdev", default=None)
    dev: str | None = attr("dev", default=None)
    grab: str | None = attr("grab", choice("all"), default=None)
    grab_toggle: str | None = attr(
        "grabToggle",
        choice("ctrl-ctrl", "alt-alt", "shift-shift", "meta-meta", "scrolllock", "ctrl-scrolllock"),
        default=None,
    )
    repeat: bool | None = attr("repeat", on_off, default=None)


class Input(Device, tag="input"):
    """Without ``bus`` it is PS/2, a tablet USB; every PC has a PS/2 mouse and keyboard."""

    type: str = attr(
        "type",
        choice("mouse", "tablet", "keyboard", "passthrough", "evdev", error=ConfigUnsupported),
        missing=InternalError,
    )
    bus: str | None = attr(
        "bus",
        choice("ps2", "usb", "virtio", "xen", error=ConfigUnsupported, later=("parallels", "none")),
        default=None,
    )
    model: str | None = attr("model", choice(*VIRTIO, error=ConfigUnsupported), default=None)
    driver: VirtioDriver | None = child(VirtioDriver, default=None)
    source: InputSource | None = child(InputSource, default=None)
