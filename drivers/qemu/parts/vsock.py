"""The vsock: its other end is a device of the host, which QEMU gets opened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model import Vsock
from embervirt.drivers.qemu.parts import virtio
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Part


def parts(vsock: Vsock, build: Build) -> Iterable[Part]:
    """Its number is set already when QEMU gets the descriptor."""
    cid = (vsock.cid.address if vsock.cid else None) or 0
    props: dict[str, Any] = {"guest-cid": cid, "vhostfd": str(build.run.vsock_fd)}
    driver = virtio.driver("vhost-vsock", vsock.model)
    where = place(vsock, build)
    yield Device(driver, vsock.id, {**virtio.options(vsock.driver), **props, **where})
