"""What libvirt fills in when a domain is defined: a pure function but for new UUIDs and MAC addresses.

``postparse(postparse(d)) == postparse(d)``. A file for a noun, as in ``model``. Where devices go is
``addresses``' matter. Source of each default: an installed libvirt 9.0,
asked with the shortest XML that shows it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.postparse import cpu, devices, os

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def postparse(domain: Domain, caps: Capabilities) -> Domain:
    """The domain with all that libvirt adds; a definition, so without the traces of a run."""
    memory = domain.memory
    domain = replace(
        domain,
        id=None,
        uuid=domain.uuid or str(uuid4()),
        current_memory=min(domain.current_memory or memory, memory),
        os=os.complete(domain.os, caps),
        cpu=cpu.complete(domain.cpu),
    )
    return replace(domain, devices=devices.complete(domain, caps))
