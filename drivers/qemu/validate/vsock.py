"""The vsock."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.errors import ConfigUnsupported, XmlError

FIRST = 3
"""Numbers below are the host's and the hypervisor's (vsock(7))."""


def check(domain: Domain) -> None:
    """One, with a number that a guest can have."""
    vsocks = domain.devices.vsocks
    if len(vsocks) > 1:
        raise XmlError("only a single vsock device is supported")
    for vsock in vsocks:
        cid = vsock.cid.address if vsock.cid else None
        if cid is not None and cid < FIRST:
            raise ConfigUnsupported(f"vsock: guest CIDs must be >= {FIRST}; {cid} is not")
