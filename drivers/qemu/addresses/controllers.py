"""Controllers that every machine has, their models, and what their place makes of PCI bridges."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Controller, Domain
from embervirt.drivers.qemu.model.address import PciAddress
from embervirt.drivers.qemu.model.controller import PCI_NAMES, ControllerModel, ControllerTarget
from embervirt.drivers.xml import replace

FIRST_EXPANDER = 256
"""Expander buses are numbered from here downwards, two at a time."""

DEFAULTS = {"usb": "piix3-uhci", "scsi": "lsilogic"}
"""Of controllers that nobody named a model of, on either machine."""


def usual(domain: Domain) -> tuple[Controller, ...]:
    """With what every machine has: USB, the root of PCI, on a q35 SATA."""
    found = tuple(map(_modelled, domain.devices.controllers))
    wanted = [Controller(type="usb", index=0, model="qemu-xhci" if domain.q35 else "piix3-uhci")]
    if domain.q35:
        wanted.append(Controller(type="sata", index=0))
    wanted.append(Controller(type="pci", index=0, model="pcie-root" if domain.q35 else "pci-root"))
    have = {(controller.type, controller.index) for controller in found}
    return (*found, *[each for each in wanted if (each.type, each.index) not in have])


def _modelled(controller: Controller) -> Controller:
    """With the model that it has when the XML says nothing."""
    default = DEFAULTS.get(controller.type)
    unsaid = controller.model is None or (controller.type, controller.model) == ("scsi", "auto")
    return replace(controller, model=default) if default and unsaid else controller


def modelled(controllers: tuple[Controller, ...]) -> tuple[Controller, ...]:
    """Each with its model."""
    return tuple(map(_modelled, controllers))


def described(controllers: tuple[Controller, ...]) -> tuple[Controller, ...]:
    """PCI bridges with QEMU's name, chassis, port and bus number, as far as the XML left them open."""
    done: list[Controller] = []
    for controller in controllers:
        name = PCI_NAMES.get(controller.model or "") if controller.type == "pci" else None
        if name is not None:
            target = _target(controller, (*controllers, *done))
            model = controller.model_name or ControllerModel(name=name)
            if (model, target) != (controller.model_name, controller.target):
                controller = replace(controller, model_name=model, target=target)
        done.append(controller)
    return tuple(done)


def _target(controller: Controller, others: tuple[Controller, ...]) -> ControllerTarget | None:
    target, index = controller.target or ControllerTarget(), controller.index
    place = controller.address if isinstance(controller.address, PciAddress) else PciAddress()
    match controller.model:
        case "pcie-root-port" | "pcie-switch-downstream-port" if None not in (target.chassis, target.port):
            return target
        case "pci-bridge" if target.chassis_nr is None:
            return replace(target, chassis_nr=index)
        case "pcie-root-port" | "pcie-switch-downstream-port":
            own = place.slot
            port = own * 8 + place.function if controller.model == "pcie-root-port" else own
            return replace(
                target,
                chassis=index if target.chassis is None else target.chassis,
                port=port if target.port is None else target.port,
            )
        case "pci-expander-bus" | "pcie-expander-bus" if target.bus_nr is None:
            numbers = [c.target.bus_nr for c in others if c.target and c.target.bus_nr is not None]
            return replace(target, bus_nr=min(numbers, default=FIRST_EXPANDER) - 2)
    return controller.target
