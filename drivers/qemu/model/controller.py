"""``<controller>``: what other devices are plugged into."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import VIRTIO, Device, VirtioDriver
from embervirt.drivers.xml import Element, Text, attr, child, choice, hexadecimal, integer, on_off, size, text
from embervirt.errors import InternalError

MODELS = {
    "usb": (
        *("piix3-uhci", "piix4-uhci", "ehci", "ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3"),
        *("vt82c686b-uhci", "pci-ohci", "nec-xhci", "qemu-xhci", "none"),
    ),
    "pci": (
        *("pci-root", "pcie-root", "pci-bridge", "dmi-to-pci-bridge", "pcie-to-pci-bridge"),
        *("pcie-root-port", "pcie-switch-upstream-port", "pcie-switch-downstream-port"),
        *("pci-expander-bus", "pcie-expander-bus"),
    ),
    "scsi": (
        *("auto", "lsilogic", "lsisas1068", "lsisas1078", "vmpvscsi", "dc390", "am53c974", "ibmvscsi"),
        *("virtio-scsi", "virtio-transitional", "virtio-non-transitional"),
    ),
    "ide": ("piix3", "piix4", "ich6"),
    "sata": (),
    "fdc": (),
    "virtio-serial": VIRTIO,
    "ccid": (),
}
"""Of each type of controller the models that are served."""

PCI_NAMES = {
    "pci-bridge": "pci-bridge",
    "dmi-to-pci-bridge": "i82801b11-bridge",
    "pcie-to-pci-bridge": "pcie-pci-bridge",
    "pcie-root-port": "pcie-root-port",
    "pcie-switch-upstream-port": "x3130-upstream",
    "pcie-switch-downstream-port": "xio3130-downstream",
    "pci-expander-bus": "pxb",
    "pcie-expander-bus": "pxb-pcie",
}
"""QEMU's device for each model of a PCI controller; a root port may be an ``ioh3420`` instead."""

ICH9_MASTER_PORTS = {"ich9-uhci1": 0, "ich9-uhci2": 2, "ich9-uhci3": 4}
"""USB 1 companions of an ``ich9-ehci1``, and which of its ports are theirs, from the first."""

_COUNT = integer(0, 2**31 - 1)


class ControllerModel(Element, tag="model"):
    name: str = attr("name", choice(*PCI_NAMES.values(), "ioh3420", later=("spapr-pci-host-bridge",)))


class ControllerTarget(Element, tag="target", refuse=("@index",)):
    """Of PCI bridges; ``node`` is the guest's NUMA node of an expander bus."""

    chassis_nr: int | None = attr("chassisNr", _COUNT, default=None)
    chassis: int | None = attr("chassis", _COUNT, default=None)
    port: int | None = attr("port", hexadecimal(2**31 - 1), default=None)
    bus_nr: int | None = attr("busNr", _COUNT, default=None)
    hotplug: bool | None = attr("hotplug", on_off, default=None)
    node: int | None = text("node", _COUNT, default=None)


class ControllerDriver(VirtioDriver, tag="driver"):
    """Of SCSI controllers; all but the number of queues of virtio ones only."""

    queues: int | None = attr("queues", _COUNT, default=None)
    cmd_per_lun: int | None = attr("cmd_per_lun", _COUNT, default=None)
    max_sectors: int | None = attr("max_sectors", _COUNT, default=None)
    ioeventfd: bool | None = attr("ioeventfd", on_off, default=None)
    iothread: int | None = attr("iothread", _COUNT, default=None)


class Master(Element, tag="master"):
    """Of an ich9 companion: the first of the EHCI controller's ports that it serves."""

    startport: int | None = attr("startport", _COUNT, default=None)


PCI_ROOTS = ("pci-root", "pcie-root")
"""Models of bus 0, by ``Domain.q35``."""

XHCI = ("nec-xhci", "qemu-xhci")
"""Models of USB controllers whose number of ports is a choice."""


class Controller(Device, tag="controller", refuse=("@maxGrantFrames", "@maxEventChannels")):
    """``index`` is its number within its type; USB companions have that of their EHCI controller."""

    type: str = attr("type", choice(*MODELS, later=("xenbus", "isa"), refused=InternalError), default="ide")
    index: int | None = attr("index", integer(0, 2**31 - 1), default=None)
    model: str | None = attr("model", Text("[a-z0-9-]{1,40}", "a controller's model"), default=None)
    ports: int | None = attr("ports", _COUNT, default=None)
    vectors: int | None = attr("vectors", _COUNT, default=None)
    model_name: ControllerModel | None = child(ControllerModel, default=None)
    target: ControllerTarget | None = child(ControllerTarget, default=None)
    driver: ControllerDriver | None = child(ControllerDriver, default=None)
    master: Master | None = child(Master, default=None)
    pcihole64: int | None = size("pcihole64", default=None)

    @property
    def companion(self) -> bool:
        """Whether it serves the USB 1 devices in the ports of an EHCI controller."""
        return self.type == "usb" and self.model in ICH9_MASTER_PORTS
