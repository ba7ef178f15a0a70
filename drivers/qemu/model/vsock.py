"""``<vsock>``: sockets between the guest and its host."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device, VirtioDriver, virtio_model
from embervirt.drivers.xml import Element, attr, child, integer, yes_no


class Cid(Element, tag="cid"):
    """The guest's number, from 3; with ``auto`` a free one is taken when it starts."""

    auto: bool | None = attr("auto", yes_no, default=None)
    address: int | None = attr("address", integer(1, 2**32 - 1), default=None)


class Vsock(Device, tag="vsock"):
    model: str | None = attr("model", virtio_model, default=None)
    cid: Cid | None = child(Cid, default=None)
    driver: VirtioDriver | None = child(VirtioDriver, default=None)
