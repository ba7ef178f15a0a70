"""Where devices go: addresses as libvirt 9 assigns them, once, when a domain is defined.

``assign(assign(d)) == assign(d)``: what the XML says, or an earlier definition got, stays. A file
for a kind of address; ``wants`` is the table of what each class of device needs. Controllers that devices
need and nobody named are added here too. ISA devices have no addresses but those the XML gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.qemu.addresses import (
    ccid,
    checks,
    consoles,
    controllers,
    drive,
    pci,
    spapr,
    usb,
    virtio_serial,
)
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.xml import replace

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def assign(domain: Domain, caps: Capabilities, *, live: bool = False) -> Domain:
    """The domain with an address for each device that has none, and the controllers for them.

    ``live``: a device is plugged into a running guest, so the last free slot may be taken.

    Raises XmlError for addresses that are taken or do not exist, InternalError when there is no room,
    ConfigUnsupported when what a device needs is switched off.
    """
    checks.check(domain)
    devices = domain.devices
    disks = tuple(map(drive.placed, devices.disks))
    found = controllers.usual(domain)
    found = spapr.placed(controllers.modelled(drive.controllers(found, disks, live=live)))
    domain = replace(domain, devices=replace(devices, disks=disks, controllers=found))
    domain = ccid.assign(virtio_serial.controllers(domain))
    domain = usb.assign(pci.assign(virtio_serial.assign(domain), spare=not live))
    found = controllers.described(domain.devices.controllers)
    return consoles.mirrored(replace(domain, devices=replace(domain.devices, controllers=found)))
