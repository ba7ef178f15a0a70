"""The console that is a serial port under another name is where that port is."""

from __future__ import annotations

from typing import Any

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.xml import replace


def mirrored(domain: Domain) -> Domain:
    """With the place of the first serial port for the console that mirrors it."""
    devices = domain.devices
    if not devices.serials:
        return domain
    port = devices.serials[0]
    place: dict[str, Any] = {"acpi": port.acpi, "address": port.address}
    consoles = tuple(each if each.virtio else replace(each, **place) for each in devices.consoles)
    return replace(domain, devices=replace(devices, consoles=consoles))
