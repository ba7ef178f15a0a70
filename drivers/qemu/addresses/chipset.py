"""What the machines have built in, and where: its slots are taken before any device gets one.

Source: QEMU's PIIX3 (function 0 of slot 1) and ICH9 (slot 31), and libvirt 9.0, asked.
"""

from __future__ import annotations

from embervirt.drivers.qemu.model.address import PciAddress
from embervirt.drivers.xml import replace

Place = tuple[int, int]
"""Slot and function on bus 0."""

RESERVED: dict[bool, tuple[Place, ...]] = {False: ((1, 0), (1, 3)), True: ((31, 0), (31, 3))}
"""By ``Domain.q35``: the ISA bridge, and power management or SMBus."""

VIDEO: dict[bool, int] = {False: 2, True: 1}
"""The slot of the first screen, if it is free."""

BUILT_IN: dict[tuple[bool, str], Place] = {
    (False, "ide"): (1, 1),
    (False, "usb"): (1, 2),
    (True, "sata"): (31, 2),
}
"""Of controllers with number 0, by ``Domain.q35`` and type."""

ICH9_SLOTS = (0x1D, 0x1A)
"""Where a q35's first and second set of ich9 USB controllers belong."""

ICH9 = {"ich9-ehci1": 7, "ich9-uhci1": 0, "ich9-uhci2": 1, "ich9-uhci3": 2}
"""Functions of one slot that the controllers of a set take."""

ICH9_SOUND = 0x1B
DMI_BRIDGE = 0x1E


def at(place: Place) -> PciAddress:
    """An address on bus 0."""
    return PciAddress(slot=place[0], function=place[1])


def built_in(q35: bool, type_: str | None, model: str | None, index: int | None) -> PciAddress | None:
    """Where the machine has this controller; None for what it does not have, and for no controller."""
    place = BUILT_IN.get((q35, type_ or ""))
    if place is None or index or (type_ == "usb" and model not in (None, "piix3-uhci")):
        return None
    return at(place)


def multifunction(address: PciAddress) -> PciAddress:
    """An address in a slot with more functions: function 0 says so, if it says nothing else."""
    if address.function or address.multifunction is not None:
        return address
    return replace(address, multifunction=True)
