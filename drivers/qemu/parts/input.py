"""Input devices; those on PS/2 belong to the machine."""

from __future__ import annotations

from collections.abc import Iterable

from embervirt.drivers.qemu.model.input import Input
from embervirt.drivers.qemu.parts import virtio
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Object, Part

USB = {"mouse": "usb-mouse", "tablet": "usb-tablet", "keyboard": "usb-kbd"}
VIRTIO = {
    "mouse": "virtio-mouse",
    "tablet": "virtio-tablet",
    "keyboard": "virtio-keyboard",
    "passthrough": "virtio-input-host",
}


def parts(item: Input, build: Build) -> Iterable[Part]:
    """A device, or for type ``evdev`` an object that reads one of the host."""
    if item.type == "evdev":
        yield _evdev(item)
    elif item.bus == "usb":
        yield Device(USB[item.type], item.id, place(item, build))
    elif item.bus == "virtio":
        evdev = {"evdev": item.source.evdev} if item.type == "passthrough" and item.source else {}
        props = {**evdev, **virtio.options(item.driver), **place(item, build)}
        yield Device(virtio.driver(VIRTIO[item.type]), item.id, props)


def _evdev(item: Input) -> Object:
    source = item.source
    wanted = {
        "evdev": source.dev if source else None,
        "repeat": source.repeat if source else None,
        "grab_all": True if source and source.grab == "all" else None,
        "grab-toggle": source.grab_toggle if source else None,
    }
    return Object("input-linux", item.id, {key: value for key, value in wanted.items() if value is not None})
