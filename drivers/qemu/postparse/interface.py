"""A network card's address and model."""

from __future__ import annotations

import secrets

from embervirt.drivers.qemu.model.interface import Interface, InterfaceModel, Mac
from embervirt.drivers.xml import replace


def complete(interface: Interface) -> Interface:
    """A new MAC address of QEMU's range when it has none; the model that libvirt takes."""
    address = interface.mac or Mac(address="52:54:00:" + secrets.token_bytes(3).hex(":"))
    model = interface.model or InterfaceModel(type="rtl8139")
    return replace(interface, mac=address, model=model)
