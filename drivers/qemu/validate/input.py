"""Input devices."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.input import Input
from embervirt.errors import ConfigUnsupported, InternalError


def check(domain: Domain) -> None:
    """What goes on which bus."""
    for item in domain.devices.inputs:
        _check(item)


def _check(item: Input) -> None:
    if item.bus == "xen":
        raise InternalError("unsupported input bus xen; expected one of: ps2, usb, virtio")
    if item.bus == "ps2" and item.type not in ("mouse", "keyboard"):
        raise InternalError(f"ps2 bus does not support {item.type} input device")
    if item.type == "evdev":
        if item.bus:
            raise ConfigUnsupported("input evdev doesn't support bus element")
        if not (item.source and item.source.dev):
            raise ConfigUnsupported("input evdev: expected <source dev='/dev/input/eventN'/>")
    if item.type == "passthrough":
        if item.bus != "virtio":
            raise ConfigUnsupported("only bus 'virtio' is supported for 'passthrough' input devices")
        if not (item.source and item.source.evdev):
            raise ConfigUnsupported("input passthrough: expected <source evdev='/dev/input/eventN'/>")
    if item.model and item.bus != "virtio":
        raise ConfigUnsupported(f"only bus 'virtio' is supported for input model '{item.model}'")
    if item.model and item.model != "virtio":
        what = f"virtio (non-)transitional models are not supported for input type={item.type}"
        raise ConfigUnsupported(what)
