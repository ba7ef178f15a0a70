"""Controllers that a machine does not have by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model import Controller
from embervirt.drivers.qemu.model.controller import PCI_NAMES, ControllerTarget
from embervirt.drivers.qemu.parts import disk, virtio
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Option, Part
from embervirt.errors import ConfigUnsupported

USB = {
    "piix3-uhci": "piix3-usb-uhci",
    "piix4-uhci": "piix4-usb-uhci",
    "ehci": "usb-ehci",
    "ich9-ehci1": "ich9-usb-ehci1",
    "ich9-uhci1": "ich9-usb-uhci1",
    "ich9-uhci2": "ich9-usb-uhci2",
    "ich9-uhci3": "ich9-usb-uhci3",
    "vt82c686b-uhci": "vt82c686b-usb-uhci",
    "pci-ohci": "pci-ohci",
    "nec-xhci": "nec-usb-xhci",
    "qemu-xhci": "qemu-xhci",
}
"""QEMU's drivers of the models of USB controllers; ``none`` is none."""

SCSI = {
    "lsilogic": "lsi",
    "lsisas1068": "mptsas1068",
    "lsisas1078": "megasas",
    "vmpvscsi": "pvscsi",
    "dc390": "dc390",
    "am53c974": "am53c974",
    "ibmvscsi": "spapr-vscsi",
}
"""Of SCSI controllers that are no virtio device. (libvirt 9.0 says ``dc-390``, which no QEMU knows.)"""

HOLE = {False: "i440FX-pcihost.pci-hole64-size", True: "q35-pcihost.pci-hole64-size"}
"""By ``Domain.q35``: the property of the machine's own PCI host."""

ROOT_HOTPLUG = "PIIX4_PM.acpi-root-pci-hotplug"


def parts(controller: Controller, build: Build) -> Iterable[Part]:
    """Nothing for what the machine has: the roots, IDE of a pc, the first SATA controller of a q35."""
    match controller.type:
        case "pci":
            yield from _pci(controller, build)
        case "usb" if controller.model in USB:
            yield _usb(controller, build)
        case "scsi":
            yield _scsi(controller, build)
        case "sata" if not (build.domain.q35 and controller.index == 0):
            yield Device("ahci", controller.id, place(controller, build))
        case "virtio-serial":
            yield _virtio_serial(controller, build)
        case "ccid":
            yield Device("usb-ccid", controller.id, place(controller, build))
        case "fdc" if any(disk.bus == "fdc" for disk in build.domain.devices.disks):
            yield from disk.floppy_controller(build)


def _pci(controller: Controller, build: Build) -> Iterable[Part]:
    name = controller.model_name.name if controller.model_name else PCI_NAMES.get(controller.model or "")
    if name:
        props = _bridge(controller.model or "", controller.target or ControllerTarget())
        yield Device(name, controller.id, {**props, **place(controller, build)})
        return
    if controller.pcihole64 is not None:
        yield Option("global", f"{HOLE[build.domain.q35]}={controller.pcihole64}K")
    if controller.target and controller.target.hotplug is not None:
        yield Option("global", f"{ROOT_HOTPLUG}={'on' if controller.target.hotplug else 'off'}")


def _bridge(model: str, target: ControllerTarget) -> dict[str, Any]:
    match model:
        case "pci-bridge":
            return {"chassis_nr": target.chassis_nr}
        case "pcie-root-port" | "pcie-switch-downstream-port":
            hotplug = {} if target.hotplug is None else {"hotplug": target.hotplug}
            return {"port": target.port, "chassis": target.chassis, **hotplug}
        case "pci-expander-bus" | "pcie-expander-bus":
            node = {} if target.node is None else {"numa_node": target.node}
            return {"bus_nr": target.bus_nr, **node}
    return {}


def _usb(controller: Controller, build: Build) -> Device:
    model, where = controller.model or "", place(controller, build)
    driver = USB[model]
    if driver not in build.caps.devices:
        raise ConfigUnsupported(f"USB controller model '{model}' not supported in this QEMU binary")
    if controller.companion:
        first = controller.master.startport if controller.master else 0
        bus = {"masterbus": f"{build.bus('usb', controller.index or 0)}.0", "firstport": first}
        return Device(driver, None, {**bus, **where})
    if controller.ports is None:
        return Device(driver, controller.id, where)
    if "xhci" not in model:
        raise ConfigUnsupported(
            f"usb controller type '{model}' doesn't support 'ports' with this QEMU binary"
        )
    return Device(driver, controller.id, {"p2": controller.ports, "p3": controller.ports, **where})


def _scsi(controller: Controller, build: Build) -> Device:
    model, driver = controller.model or "", controller.driver
    where = place(controller, build)
    if not model.startswith("virtio"):
        return Device(SCSI[model], controller.id, where)
    given: dict[str, Any] = {}
    if driver:
        given = {
            "iothread": None if driver.iothread is None else f"iothread{driver.iothread}",
            "num_queues": driver.queues,
            "cmd_per_lun": driver.cmd_per_lun,
            "max_sectors": driver.max_sectors,
            "ioeventfd": driver.ioeventfd,
        }
    props = {name: value for name, value in given.items() if value is not None}
    kind = virtio.driver("virtio-scsi", None if model == "virtio-scsi" else model)
    return Device(kind, controller.id, {**virtio.options(driver), **props, **where})


def _virtio_serial(controller: Controller, build: Build) -> Device:
    given = {"max_ports": controller.ports, "vectors": controller.vectors}
    props = {name: value for name, value in given.items() if value is not None}
    kind = virtio.driver("virtio-serial", controller.model)
    options = virtio.options(controller.driver)
    return Device(kind, controller.id, {**options, **props, **place(controller, build)})
