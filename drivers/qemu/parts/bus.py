"""Where a device is plugged in: its address as properties of QEMU's device."""

from __future__ import annotations

from typing import Any

from embervirt.drivers.qemu.model.address import (
    IsaAddress,
    PciAddress,
    SpaprVioAddress,
    UsbAddress,
    VirtioSerialAddress,
)
from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.qemu.parts.build import Build


def place(device: Device, build: Build) -> dict[str, Any]:
    """``bus`` and what says where on it; nothing without an address: then QEMU takes the first free place."""
    address = device.address
    match address:
        case PciAddress() if not address.is_empty:
            acpi = {"acpi-index": device.acpi.index} if device.acpi else {}
            return {**_pci(address, build), **acpi}
        case UsbAddress():
            port = {"port": address.port} if address.port else {}
            return {"bus": f"{build.bus('usb', address.bus)}.0", **port}
        case VirtioSerialAddress():
            number = {} if address.port is None else {"nr": address.port}
            return {"bus": f"{build.bus('virtio-serial', address.controller)}.{address.bus}", **number}
        case SpaprVioAddress():
            return {} if address.reg is None else {"reg": address.reg}
        case IsaAddress():
            irq = {"irq": address.irq} if address.irq else {}
            return {"iobase": address.iobase or 0, **irq}
    return {}


def _pci(address: PciAddress, build: Build) -> dict[str, Any]:
    bus: dict[str, Any] = {"bus": build.bus("pci", address.bus)}
    if address.multifunction is not None:
        bus["multifunction"] = address.multifunction
    slot, function = address.slot, address.function
    return {**bus, "addr": f"{slot:#x}.{function:#x}" if function else f"{slot:#x}"}
