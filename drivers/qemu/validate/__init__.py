"""Rules across the fields of a domain that ``postparse`` has completed, a file for a noun.

Everything here is checked when a domain is defined; whether files exist is a matter of its start.
Codes are those libvirt 9.0 gives for the same XML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.validate import (
    alias,
    chardev,
    clock,
    controller,
    cpu,
    disk,
    features,
    graphics,
    input,
    interface,
    machine,
    memballoon,
    memory,
    name,
    os,
    panic,
    passthrough,
    place,
    rng,
    sound,
    tpm,
    tuning,
    video,
    vsock,
    watchdog,
)

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def validate(domain: Domain, caps: Capabilities) -> None:
    """Raise what is wrong with the domain: XmlError and its leaves, ConfigUnsupported, NameTooLong."""
    name.check(domain)
    place.check(domain)
    machine.check(domain, caps)
    passthrough.check(domain)
    os.check(domain)
    memory.check(domain)
    cpu.check(domain, caps)
    features.check(domain)
    clock.check(domain)
    tuning.check(domain)
    disk.check(domain)
    controller.check(domain)
    interface.check(domain, caps)
    chardev.check(domain)
    graphics.check(domain)
    video.check(domain)
    input.check(domain)
    sound.check(domain)
    tpm.check(domain)
    watchdog.check(domain)
    memballoon.check(domain)
    rng.check(domain)
    panic.check(domain)
    vsock.check(domain)
    alias.check(domain)
