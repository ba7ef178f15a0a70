"""Controllers that a machine does not have by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model import Controller
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Part

USB = {"piix3-uhci": "piix3-usb-uhci", "qemu-xhci": "qemu-xhci"}
"""QEMU's drivers of the models of USB controllers; ``none`` is none."""

BRIDGES = {
    "pcie-root-port": "pcie-root-port",
    "pcie-to-pci-bridge": "pcie-pci-bridge",
    "pci-bridge": "pci-bridge",
}
"""QEMU's drivers of the models of PCI controllers; the roots belong to the machine."""


def parts(controller: Controller, build: Build) -> Iterable[Part]:
    """Nothing for what the machine has: the roots, IDE of a pc, the first SATA controller of a q35."""
    where = place(controller.address, build)
    if controller.type == "pci" and controller.model in BRIDGES:
        yield Device(BRIDGES[controller.model], controller.id, {**_bridge(controller), **where})
    elif controller.type == "usb" and (controller.model or "piix3-uhci") in USB:
        yield Device(USB[controller.model or "piix3-uhci"], controller.id, where)
    elif controller.type == "sata" and not (build.domain.q35 and controller.index == 0):
        yield Device("ahci", controller.id, where)


def _bridge(controller: Controller) -> dict[str, Any]:
    """Chassis numbers must differ and not be 0: the controller's own number does it, as in libvirt."""
    target, index = controller.target, controller.index or 0
    if controller.model == "pcie-root-port":
        chassis = target.chassis if target and target.chassis else index
        return {"port": (target.port if target else None) or 0, "chassis": chassis}
    if controller.model == "pci-bridge":
        return {"chassis_nr": (target.chassis_nr if target else None) or index}
    return {}
