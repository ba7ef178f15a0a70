"""Input devices: their buses, and the mouse and keyboard that a PC always has."""

from __future__ import annotations

from embervirt.drivers.qemu.model.input import Input
from embervirt.drivers.xml import replace

BUILT_IN = (Input(type="mouse", bus="ps2"), Input(type="keyboard", bus="ps2"))


def complete(inputs: tuple[Input, ...]) -> tuple[Input, ...]:
    """Those of the XML, then what is missing of the PS/2 pair."""
    listed = tuple(map(_bus, inputs))
    there = {(item.type, item.bus) for item in listed}
    return (*listed, *(item for item in BUILT_IN if (item.type, item.bus) not in there))


def _bus(item: Input) -> Input:
    if item.bus or item.type == "evdev":
        return item
    buses = {"mouse": "ps2", "keyboard": "ps2", "passthrough": "virtio"}
    return replace(item, bus=buses.get(item.type, "usb"))
