"""Sources of entropy."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.validate import chardev_source
from embervirt.errors import XmlError


def check(domain: Domain) -> None:
    """A daemon that can be reached."""
    for number, rng in enumerate(domain.devices.rngs):
        if rng.backend.model == "egd":
            if rng.backend.type is None:
                raise XmlError(f"rng {number}: missing EGD backend type")
            chardev_source.check(rng.backend.chardev, f"rng {number}")
