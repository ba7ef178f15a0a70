"""The console that is a serial port under another name is where that port is."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.xml import replace


def mirrored(domain: Domain) -> Domain:
    """With the address of the first serial port for the console that mirrors it."""
    devices = domain.devices
    if not devices.serials:
        return domain
    place = devices.serials[0].address
    consoles = tuple(
        console if console.virtio else replace(console, address=place) for console in devices.consoles
    )
    return replace(domain, devices=replace(devices, consoles=consoles))
