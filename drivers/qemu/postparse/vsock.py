"""A vsock that does not say its number."""

from __future__ import annotations

from embervirt.drivers.qemu.model.vsock import Cid, Vsock
from embervirt.drivers.xml import replace


def complete(vsock: Vsock) -> Vsock:
    """Any free one."""
    cid = vsock.cid or Cid()
    auto = cid.auto if cid.auto is not None else cid.address is None
    return replace(vsock, model=vsock.model or "virtio", cid=replace(cid, auto=auto))
