"""Where a device is plugged in: the properties ``bus`` and ``addr`` of a PCI device."""

from __future__ import annotations

from typing import Any

from embervirt.drivers.qemu.model.address import Address, number


def pci(address: Address | None, root: str) -> dict[str, Any]:
    """Of the address the XML gives, or nothing: then QEMU takes the first free place.

    ``root`` is the name of bus 0: ``pci.0`` of a pc, ``pcie.0`` of a q35.
    """
    if address is None or address.type != "pci":
        return {}
    bus, slot, function = number(address.bus), number(address.slot), number(address.function)
    place: dict[str, Any] = {"bus": f"pci.{bus}" if bus else root}
    if address.multifunction is not None:
        place["multifunction"] = address.multifunction
    place["addr"] = f"{slot:#x}.{function:#x}" if function else f"{slot:#x}"
    return place
