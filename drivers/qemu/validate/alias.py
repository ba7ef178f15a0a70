"""The names of all devices."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Console, Device, Domain
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported


def check(domain: Domain) -> None:
    """No two devices have one name; the first console is its serial port under another name."""
    named = [device.alias.name for device in domain.devices.all if device.alias and not _mirrors(device)]
    twice = repeated(named)
    if twice:
        raise ConfigUnsupported(f"non unique alias detected: {twice}")


def _mirrors(device: Device) -> bool:
    return isinstance(device, Console) and not device.virtio
