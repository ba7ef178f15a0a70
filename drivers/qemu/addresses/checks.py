"""What must hold of controllers before anything is placed: models, numbers that differ, the right root."""

from __future__ import annotations

from embervirt.drivers.qemu.addresses.chipset import built_in
from embervirt.drivers.qemu.addresses.slots import shown
from embervirt.drivers.qemu.model import Controller, Domain
from embervirt.drivers.qemu.model.address import PciAddress
from embervirt.drivers.qemu.model.controller import MODELS, PCI_ROOTS
from embervirt.errors import ConfigUnsupported, InternalError, XmlDetail, XmlError

EXPANDERS = ("pci-expander-bus", "pcie-expander-bus")
"""By ``Domain.q35``: the one that the machine can have."""

MOST = 255
"""The highest number of a PCI bus."""

BUILT_IN_NAMES = {
    "ide": "Primary IDE controller",
    "usb": "PIIX3 USB controller at index 0",
    "sata": "Primary SATA controller",
}
"""Of what ``chipset.BUILT_IN`` has, in messages."""


def check(domain: Domain) -> None:
    """Raise ConfigUnsupported, XmlError, XmlDetail, InternalError, with libvirt 9.0's codes."""
    seen: set[tuple[str, int | None]] = set()
    for controller in domain.devices.controllers:
        _model(controller)
        if controller.type == "pci":
            _pci(controller, domain)
        _built_in(controller, domain)
        if _follows(controller):
            continue
        key = (controller.type, controller.index)
        if key in seen:
            raise XmlError(f"Multiple '{controller.type}' controllers with index '{controller.index}'")
        seen.add(key)
    for controller in domain.devices.controllers:
        if controller.type == "pci" and controller.model is None:
            raise InternalError("PCI controller model was not set correctly")
    _disabled(domain)
    for controller in filter(_follows, domain.devices.controllers):
        if ("usb", controller.index) not in seen:
            raise XmlDetail(
                f"No master USB controller specified: controller 'usb' with index '{controller.index}' and"
                f" model '{controller.model}' needs one with model 'ich9-ehci1'"
            )
        if not controller.companion:
            raise XmlError(f"Duplicate USB controllers with index {controller.index}")


def _follows(controller: Controller) -> bool:
    """Whether it is on another controller's bus: a companion, or one that the XML calls so."""
    return controller.companion or (controller.type == "usb" and controller.master is not None)


def _built_in(controller: Controller, domain: Domain) -> None:
    """What the machine has built in is where the machine has it."""
    own = built_in(domain.q35, controller.type, controller.model, controller.index)
    given = controller.address
    if own is None or not isinstance(given, PciAddress) or given.is_empty:
        return
    if (given.bus, given.slot, given.function) != (own.bus, own.slot, own.function):
        name, expected = BUILT_IN_NAMES[controller.type], f"0:0:{own.slot:x}.{own.function}"
        raise InternalError(f"{name} must have PCI address {expected}, not {shown(given)}")


def _disabled(domain: Domain) -> None:
    """A USB controller of model ``none`` is the only one."""
    models = [controller.model for controller in domain.devices.controllers if controller.type == "usb"]
    if "none" in models and len(models) > 1:
        raise XmlDetail("Can't add another USB controller: USB is disabled for this domain")


def _model(controller: Controller) -> None:
    if controller.model is not None and controller.model not in MODELS[controller.type]:
        accepted = ", ".join(MODELS[controller.type]) or "none"
        raise ConfigUnsupported(
            f"Unknown model type '{controller.model}' of controller '{controller.type}'; expected: {accepted}"
        )


def _pci(controller: Controller, domain: Domain) -> None:
    model, index = controller.model, controller.index
    root = PCI_ROOTS[domain.q35]
    if not index and model != root:
        raise XmlError(
            f"The PCI controller with index='0' must be model='{root}' for this machine type, "
            f"but model='{model}' was found instead"
        )
    if index and model in PCI_ROOTS:
        raise XmlError("pci-root and pcie-root controllers should have index 0")
    if model == EXPANDERS[not domain.q35]:
        raise ConfigUnsupported(f"{model} controllers are not supported with this machine type")
    if index is not None and index > MOST:
        error = InternalError if domain.q35 else ConfigUnsupported  # there the ports before it have no slots
        raise error(f"PCI controller index {index} too high, maximum is {MOST}")
