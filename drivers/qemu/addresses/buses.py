"""PCI buses as data: which slots a controller's bus has, what may be plugged into it, what it plugs into.

Source: QEMU's docs/pcie.txt and libvirt 9.0, asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from embervirt.drivers.qemu.addresses.wants import Want

Plug = str
"""What is plugged in: ``pci`` or ``pcie`` for a device, a controller's model for a bridge."""

PLUGS: dict[Want, Plug] = {Want.PCI: "pci", Want.PCIE: "pcie", Want.INTEGRATED: "integrated"}
ACCEPTS = {"pci": "standard PCI device", "pcie": "PCI Express device"}
"""What a controller for a device must accept, in libvirt's words; of a bridge it is its model."""

DEVICES = frozenset({"pci", "pcie", "integrated"})


@dataclass(frozen=True)
class Bus:
    """``takes``: what is put there unasked.

    ``given``: whether a device, or a pci-bridge, stays there if the XML says so.
    """

    first: int
    last: int
    takes: frozenset[Plug]
    given: bool = True

    @cached_property
    def slots(self) -> range:
        """Their numbers."""
        return range(self.first, self.last + 1)


def _bus(first: int, last: int, *takes: Plug, given: bool = True) -> Bus:
    return Bus(first, last, frozenset(takes), given)


_PORT = _bus(0, 0, "pcie", "pcie-switch-upstream-port", "pcie-to-pci-bridge")

BUSES: dict[str, Bus] = {
    "pci-root": _bus(1, 31, "pci", "pcie", "integrated", "pci-bridge", "pci-expander-bus"),
    "pci-bridge": _bus(1, 31, "pci", "pci-bridge"),
    "pci-expander-bus": _bus(0, 31, "pci", "pci-bridge"),
    "pcie-root": _bus(
        *(1, 31),
        *("integrated", "pcie-root-port", "dmi-to-pci-bridge", "pcie-expander-bus"),
    ),
    "dmi-to-pci-bridge": _bus(0, 31, "pci-bridge"),
    "pcie-to-pci-bridge": _bus(1, 31, "pci", "pci-bridge"),
    "pcie-root-port": _PORT,
    "pcie-switch-upstream-port": _bus(0, 31, "pcie-switch-downstream-port", given=False),
    "pcie-switch-downstream-port": _PORT,
    "pcie-expander-bus": _bus(0, 0, "pcie-root-port", "dmi-to-pci-bridge", given=False),
}

SHARING = frozenset({"pcie-root-port"})
"""What shares a slot with its like, a function each."""
