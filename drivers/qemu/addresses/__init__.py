"""Where devices go: addresses as libvirt 9 assigns them, once, when a domain is defined.

``assign(assign(d)) == assign(d)``: what the XML says, or an earlier definition got, stays. A file
for a kind of address. Controllers that devices need and nobody named are added here too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from embervirt.drivers.qemu.addresses import drive
from embervirt.drivers.qemu.addresses.controllers import numbered
from embervirt.drivers.qemu.model import Domain

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def assign(domain: Domain, caps: Capabilities) -> Domain:
    """The domain with an address for each device that has none, and the controllers for them."""
    devices = domain.devices
    disks = tuple(map(drive.placed, devices.disks))
    controllers = numbered(devices.controllers)
    return replace(
        domain, devices=replace(devices, disks=disks, controllers=drive.controllers(controllers, disks))
    )
