"""Controllers: what each model takes."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Controller, Domain
from embervirt.drivers.qemu.model.address import PciAddress
from embervirt.drivers.qemu.model.controller import PCI_NAMES, PCI_ROOTS, XHCI
from embervirt.errors import ConfigUnsupported, XmlError

XHCI_PORTS = 15
PORTS = ("pcie-root-port", "pcie-switch-downstream-port")
HOTPLUG = (*PORTS, "pci-root")
EXPANDERS = ("pci-expander-bus", "pcie-expander-bus")

OPTIONS: dict[str, tuple[str, tuple[str, ...], tuple[int, int]]] = {
    "chassis_nr": ("chassisNr", ("pci-bridge",), (1, 255)),
    "chassis": ("chassis", PORTS, (0, 255)),
    "port": ("port", PORTS, (0, 255)),
    "bus_nr": ("busNr", EXPANDERS, (1, 254)),
    "hotplug": ("hotplug", HOTPLUG, (0, 1)),
    "node": ("numaNode", EXPANDERS, (0, 2**31 - 1)),
}
"""Of ``<target>``: the name in messages, the models that have it, the range."""


def check(domain: Domain) -> None:
    """Raise ConfigUnsupported or XmlError for what a controller cannot have, with libvirt 9.0's codes."""
    threads = {thread.id for thread in domain.iothreads}
    for controller in domain.devices.controllers:
        match controller.type:
            case "pci":
                _pci(controller, domain)
            case "usb":
                _usb(controller)
            case "ide":
                _ide(controller, domain)
        _driver(controller)
        thread = controller.driver.iothread if controller.driver else None
        if thread is not None and thread not in threads:
            raise ConfigUnsupported(f"controller iothread '{thread}' not defined in iothreadid")


def _pci(controller: Controller, domain: Domain) -> None:
    model, target, index = controller.model or "", controller.target, controller.index or 0
    if model in PCI_ROOTS and controller.address is not None:
        raise ConfigUnsupported("pci-root and pcie-root controllers should not have an address")
    named = controller.model_name.name if controller.model_name else None
    if named not in (PCI_NAMES.get(model), "ioh3420" if model == "pcie-root-port" else PCI_NAMES.get(model)):
        raise ConfigUnsupported(_wrong("modelName", "has invalid value", controller))
    for field, (name, models, (low, high)) in OPTIONS.items():
        value = getattr(target, field) if target else None
        if value is not None and model not in models:
            raise ConfigUnsupported(_wrong(name, "is not valid", controller))
        if value is not None and not low <= value <= high:
            raise ConfigUnsupported(f"PCI controller {name} '{value}' out of range - must be {low}-{high}")
    bus = controller.address.bus if isinstance(controller.address, PciAddress) else 0
    if model == "pci-bridge" and bus >= index:
        raise ConfigUnsupported(
            f"PCI controller at index {index} (0x{index:02x}) has bus='0x{bus:02x}',"
            " but index must be larger than bus"
        )
    _node(controller, domain)


def _wrong(option: str, what: str, controller: Controller) -> str:
    named = controller.model_name.name if controller.model_name else "none"
    return (
        f"Option '{option}' {what} for PCI controller with index '{controller.index}',"
        f" model '{controller.model}' and modelName '{named}'"
    )


def _node(controller: Controller, domain: Domain) -> None:
    node = controller.target.node if controller.target else None
    cells = len(domain.cells)
    if node is not None and node >= cells:
        raise XmlError(
            f"{controller.model} with index {controller.index} is configured for a NUMA node ({node})"
            f" not present in the domain's <cpu><numa> array ({cells})"
        )


def _usb(controller: Controller) -> None:
    if controller.model in XHCI and (controller.ports or 0) > XHCI_PORTS:
        raise ConfigUnsupported(f"'{controller.model}' controller only supports up to '{XHCI_PORTS}' ports")


def _driver(controller: Controller) -> None:
    driver, model = controller.driver, controller.model or ""
    if driver is None or (controller.type == "scsi" and model.startswith("virtio")):
        return
    given = {
        "queues": driver.queues,
        "cmd_per_lun": driver.cmd_per_lun,
        "max_sectors": driver.max_sectors,
        "ioeventfd": driver.ioeventfd,
    }
    if driver.iothread is not None:
        raise XmlError("'iothread' attribute only supported for virtio scsi controllers")
    for name, value in given.items():
        if value is not None:
            raise ConfigUnsupported(f"'{name}' is only supported by virtio-scsi controller")


def _ide(controller: Controller, domain: Domain) -> None:
    if domain.q35:
        raise ConfigUnsupported("IDE controllers are unsupported for this QEMU binary or machine type")
    if controller.index:
        raise ConfigUnsupported("Only a single IDE controller is supported for this machine type")
