"""What libvirt fills in when a domain is defined: a pure function but for new UUIDs and MAC addresses.

``postparse(postparse(d)) == postparse(d)``. A file for a noun, as in ``model``. Where devices go is
``addresses``' matter. Source of each default: an installed libvirt 9.0,
asked with the shortest XML that shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from embervirt.drivers.qemu.model import Domain, metadata, passthrough
from embervirt.drivers.qemu.model.domain import GenId
from embervirt.drivers.qemu.postparse import clock, cpu, devices, features, os, sysinfo, tuning
from embervirt.drivers.xml import replace

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def postparse(domain: Domain, caps: Capabilities, nvram_dir: str = "") -> Domain:
    """The domain with all that libvirt adds; a definition, so without the traces of a run.

    ``nvram_dir``: where the variables of firmware go. Raises XmlError, ConfigUnsupported for what cannot
    be completed.
    """
    domain = tuning.complete(domain)
    domain = replace(
        domain,
        id=None,
        uuid=domain.uuid or str(uuid4()),
        metadata=metadata.distinct(domain.metadata),
        genid=GenId(value=domain.genid.value or str(uuid4())) if domain.genid else None,
        os=os.complete(domain, caps, nvram_dir),
        features=features.complete(domain.features),
        cpu=cpu.complete(domain, caps),
        clock=clock.complete(domain.clock),
        sysinfos=sysinfo.complete(domain.sysinfos),
        pm=clock.power(domain.pm),
        foreign=passthrough.lasting(domain.foreign),
    )
    memory = sum(cell.memory for cell in domain.cells) or domain.memory
    domain = replace(domain, memory=memory, current_memory=min(domain.current_memory or memory, memory))
    return replace(domain, devices=devices.complete(domain, caps))
