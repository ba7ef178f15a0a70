"""Serial ports and consoles."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.errors import ConfigUnsupported, XmlError


def check(domain: Domain) -> None:
    """Sources that are there, and one console at most."""
    devices = domain.devices
    if len(devices.consoles) > 1:
        raise ConfigUnsupported("Only the first console can be a serial port")
    for serial in devices.serials:
        if serial.type == "file" and not (serial.source and serial.source.path):
            raise XmlError(
                f"serial port {serial.port}: Missing source path attribute for char device of type 'file'"
            )
