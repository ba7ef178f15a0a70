"""Which PCI slots are taken, the next free one, and a new bus when there is none."""

from __future__ import annotations

from embervirt.drivers.qemu.addresses.buses import ACCEPTS, BUSES, DEVICES, SHARING, Plug
from embervirt.drivers.qemu.model.address import PciAddress
from embervirt.drivers.xml import replace
from embervirt.errors import InternalError, XmlError

ALL = 0xFF
"""All eight functions of a slot."""

BUSES_AT_MOST = 256


def shown(address: PciAddress) -> str:
    """As libvirt writes it: ``0000:00:1f.2``."""
    return f"{address.domain:04x}:{address.bus:02x}:{address.slot:02x}.{address.function}"


class Slots:
    """``models``: of each bus by its number; grows. Only ``pcie`` machines tell PCI Express from PCI."""

    def __init__(self, models: list[str]) -> None:
        self.models = models
        self._used: dict[tuple[int, int], int] = {}
        self._unshared: set[tuple[int, int]] = set()
        self._full: dict[Plug, int] = {}

    @property
    def pcie(self) -> bool:
        """Whether the root is PCI Express."""
        return self.models[0] == "pcie-root"

    def free(self, bus: int, slot: int) -> bool:
        """Whether no function of the slot is taken."""
        return not self._used.get((bus, slot))

    @property
    def full(self) -> bool:
        """Whether no slot of any bus is free."""
        return not any(
            self.free(bus, slot) for bus, model in enumerate(self.models) for slot in BUSES[model].slots
        )

    def keep(self, address: PciAddress, plug: Plug) -> PciAddress:
        """Take the place that the XML gives. Raises XmlError when it is none or is taken.

        A conventional device one bus behind what there is moves to the bridge that is added for it.
        """
        address = replace(address, bus=self._reach(address.bus, plug))
        self._check(address, plug)
        return self.take(address, shares=plug in SHARING)

    def take(self, address: PciAddress, shares: bool = False) -> PciAddress:
        """Mark the function as taken. Raises XmlError when it is already."""
        where, bit = (address.bus, address.slot), 1 << address.function
        used = self._used.get(where, 0)
        if used & bit:
            raise XmlError(f"Attempted double use of PCI Address {shown(address)}")
        self._used[where] = used | bit
        if not shares:
            self._unshared.add(where)
        return address

    def next(self, plug: Plug, function: int = 0) -> PciAddress:
        """Take the first free place for it, on a new bus if need be. Raises InternalError without any."""
        found = self._find(plug, function)
        while found is None:
            self._grow(plug)
            found = self._find(plug, function)
        return self.take(found, shares=plug in SHARING)

    def _find(self, plug: Plug, function: int) -> PciAddress | None:
        # What is taken stays taken, so buses without a place for it need no second look.
        shares = plug in SHARING
        for bus in range(self._full.get(plug, 0), len(self.models)):
            self._full[plug], model = bus, self.models[bus]
            if not self._fits(model, plug):
                continue
            for slot in BUSES[model].slots:
                used = self._used.get((bus, slot), 0)
                if not used:
                    return PciAddress(bus=bus, slot=slot, function=function)
                if shares and (bus, slot) not in self._unshared and used != ALL:
                    return PciAddress(bus=bus, slot=slot, function=(~used & (used + 1)).bit_length() - 1)
        return None

    def _fits(self, model: str, plug: Plug) -> bool:
        takes = BUSES[model].takes
        return plug in takes or (not self.pcie and plug in DEVICES and "pci" in takes)

    def _grow(self, plug: Plug) -> None:
        added = self._needed(plug)
        if not added:
            raise _no_bus(plug)
        self._add(added)

    def _add(self, models: list[str]) -> None:
        """New buses. A port that comes with a bridge is the bridge's."""
        if len(self.models) + len(models) > BUSES_AT_MOST:
            raise InternalError("No more available PCI slots")
        if len(models) > 1:
            self.take(PciAddress(bus=len(self.models)))
        self.models += models

    def _needed(self, plug: Plug) -> list[str]:
        """The controllers that make a place for it."""
        if not self.pcie:
            return ["pci-bridge"] if plug in DEVICES and self._fits_any("pci-bridge") else []
        if plug in ("pci", "pci-bridge"):
            behind = plug == "pci" and self._fits_any("pci-bridge")
            return ["pci-bridge"] if behind else ["pcie-root-port", "pcie-to-pci-bridge"]
        return ["pcie-root-port"] if plug in ("pcie", "pcie-switch-upstream-port") else []

    def _fits_any(self, plug: Plug) -> bool:
        return any(plug in BUSES[model].takes for model in self.models)

    def _reach(self, bus: int, plug: Plug) -> int:
        """Grow until there is a bus of that number; the number that it got."""
        while len(self.models) <= bus:
            added = self._needed(plug)
            if not added:
                raise _no_bus(plug)
            if len(added) > 1 and bus == len(self.models):
                bus += 1
            self._add(added)
        return bus

    def _check(self, address: PciAddress, plug: Plug) -> None:
        bus = BUSES[self.models[address.bus]]
        where = f"Invalid PCI address {shown(address)}"
        if address.domain:
            raise XmlError(f"{where}. Only PCI domain 0 is available")
        if address.slot < bus.first:
            raise XmlError(f"{where}. slot must be >= {bus.first}")
        if address.slot > bus.last:
            raise XmlError(f"{where}. slot must be <= {bus.last}")
        if not (bus.given if plug in DEVICES or plug == "pci-bridge" else plug in bus.takes):
            raise XmlError(
                f"The device at PCI address {shown(address)} cannot be plugged into the PCI controller with"
                f" index='{address.bus}'. It requires a controller that accepts a {ACCEPTS.get(plug, plug)}."
            )
        if plug == "integrated" and address.bus:
            raise XmlError(
                f"The device at PCI address {shown(address)} needs to be an integrated device (bus=0)"
            )


def _no_bus(plug: Plug) -> InternalError:
    if plug in DEVICES:
        return InternalError("No more available PCI slots")
    return InternalError(
        f"a PCI slot is needed to connect a PCI controller model='{plug}', but none is available,"
        " and it cannot be automatically added"
    )
