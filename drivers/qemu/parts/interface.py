"""A network card and the host's side of it."""

from __future__ import annotations

from collections.abc import Iterable

from embervirt.drivers.qemu.model import Interface
from embervirt.drivers.qemu.parts.bus import pci
from embervirt.drivers.qemu.parts.names import device_id
from embervirt.drivers.qemu.parts.part import Device, Netdev, Part

DRIVERS = {"virtio": "virtio-net-pci"}
"""QEMU's name of a model where it is not libvirt's."""


def parts(interface: Interface, index: int, boot: int | None, root: str) -> Iterable[Part]:
    """``index`` counts the domain's interfaces from 0; the user's alias keeps its own host side apart."""
    id_ = device_id(interface.alias, f"net{index}")
    host = f"host{id_}"
    model = interface.model.type if interface.model else "rtl8139"
    yield Netdev(interface.type, host)
    props = {"netdev": host, **({"mac": interface.mac.address} if interface.mac else {})}
    order = {} if boot is None else {"bootindex": boot}
    yield Device(DRIVERS.get(model, model), id_, {**props, **order, **pci(interface.address, root)})
