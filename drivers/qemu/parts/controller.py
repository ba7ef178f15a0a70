"""Controllers that a machine does not have by itself, and audio backends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model import Audio, Controller
from embervirt.drivers.qemu.parts.bus import pci
from embervirt.drivers.qemu.parts.names import device_id
from embervirt.drivers.qemu.parts.part import Device, Option, Part

USB = {"piix3-uhci": "piix3-usb-uhci", "qemu-xhci": "qemu-xhci"}
"""QEMU's drivers of the models of USB controllers; ``none`` is none."""

BRIDGES = {
    "pcie-root-port": "pcie-root-port",
    "pcie-to-pci-bridge": "pcie-pci-bridge",
    "pci-bridge": "pci-bridge",
}
"""QEMU's drivers of the models of PCI controllers; the roots belong to the machine."""


def parts(controller: Controller, root: str) -> Iterable[Part]:
    """``root`` is PCI's bus 0 and says with that what the machine has: IDE, or SATA number 0."""
    index, place = controller.index or 0, pci(controller.address, root)
    if controller.type == "pci" and controller.model in BRIDGES:
        yield Device(BRIDGES[controller.model], f"pci.{index}", {**_bridge(controller), **place})
    elif controller.type == "usb" and (controller.model or "piix3-uhci") in USB:
        usual = f"usb{index}" if index else "usb"
        yield Device(USB[controller.model or "piix3-uhci"], device_id(controller.alias, usual), place)
    elif controller.type == "sata" and not (root == "pcie.0" and index == 0):
        yield Device("ahci", f"sata{index}", place)


def _bridge(controller: Controller) -> dict[str, Any]:
    """Chassis numbers must differ and not be 0: the controller's own number does it, as in libvirt."""
    target, index = controller.target, controller.index or 0
    if controller.model == "pcie-root-port":
        chassis = target.chassis if target and target.chassis else index
        return {"port": (target.port if target else None) or 0, "chassis": chassis}
    if controller.model == "pci-bridge":
        return {"chassis_nr": (target.chassis_nr if target else None) or index}
    return {}


def audio(device: Audio) -> Iterable[Part]:
    """A backend that drops all sound."""
    yield Option("audiodev", f"driver={device.type},id=audio{device.id}")
