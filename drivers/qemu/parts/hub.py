"""A USB hub."""

from __future__ import annotations

from collections.abc import Iterable

from embervirt.drivers.qemu.model.hub import Hub
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Part


def parts(hub: Hub, build: Build) -> Iterable[Part]:
    """Eight ports."""
    yield Device("usb-hub", hub.id, place(hub, build))
