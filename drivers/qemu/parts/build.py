"""``Build``: one guest on its way to QEMU, as every file of parts gets it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from embervirt.drivers.qemu.model import Device, Domain
from embervirt.drivers.qemu.parts.context import CompileContext

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

MACHINES_OWN = {(False, "ide", 0): "ide", (True, "sata", 0): "ide"}
"""QEMU's names of what the machine has built in, by ``Domain.q35``, type and index, whatever its alias."""


@dataclass(frozen=True)
class Build:
    """``domain`` has its aliases (``aliases.named``); ``run`` are the facts of this run."""

    domain: Domain
    caps: Capabilities
    run: CompileContext

    def bus(self, type_: str, index: int) -> str:
        """QEMU's id of a controller: ``pci.0``, ``usb``, ``virtio-serial0``."""
        if type_ == "pci" and index == 0:
            return "pcie.0" if self.domain.q35 else "pci.0"
        if (own := MACHINES_OWN.get((self.domain.q35, type_, index))) is not None:
            return own
        usual = f"{type_}.{index}" if type_ == "pci" else f"{type_}{index}"
        return self._controllers.get((type_, index), usual)

    @cached_property
    def _controllers(self) -> dict[tuple[str, int | None], str]:
        """Their ids; of several with one number the first counts."""
        return {(each.type, each.index): each.id for each in reversed(self.domain.devices.controllers)}

    def boot(self, device: Device) -> dict[str, Any]:
        """``bootindex``: of the device's own ``<boot>``, or by ``<os><boot>``; else nothing."""
        own = getattr(device, "boot", None)
        place = own.order if own else self._boots.get(device.id)
        return {} if place is None else {"bootindex": place}

    @cached_property
    def _boots(self) -> dict[str, int]:
        """Places by alias: the first device of each kind that ``<os><boot>`` names."""
        devices = self.domain.devices
        kinds = {"hd": ("disk", "lun"), "cdrom": ("cdrom",), "fd": ("floppy",)}
        if any(getattr(device, "boot", None) for device in devices.all):
            return {}
        order: dict[str, int] = {}
        for place, boot in enumerate(self.domain.os.boots, start=1):
            wanted = kinds.get(boot.dev, ())
            disks = (disk.id for disk in devices.disks if disk.device in wanted)
            cards = (card.id for card in devices.interfaces if boot.dev == "network")
            first = next((*disks, *cards).__iter__(), None)
            if first is not None:
                order.setdefault(first, place)
        return order
