"""The memory balloon."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.errors import InternalError


def check(domain: Domain) -> None:
    """At most one."""
    if len(domain.devices.memballoons) > 1:
        raise InternalError("only a single memory balloon device is supported")
