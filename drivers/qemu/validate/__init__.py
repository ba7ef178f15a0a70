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
    controller,
    disk,
    graphics,
    input,
    interface,
    machine,
    memballoon,
    name,
    sound,
    video,
)

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def validate(domain: Domain, caps: Capabilities) -> None:
    """Raise what is wrong with the domain: XmlError and its leaves, ConfigUnsupported, NameTooLong."""
    name.check(domain)
    machine.check(domain, caps)
    disk.check(domain.devices.disks)
    controller.check(domain)
    interface.check(domain, caps)
    chardev.check(domain)
    graphics.check(domain)
    video.check(domain)
    input.check(domain)
    sound.check(domain)
    memballoon.check(domain)
    alias.check(domain)
