"""What must hold of controllers before anything is placed: models, numbers that differ, the right root."""

from __future__ import annotations

from embervirt.drivers.qemu.addresses.buses import ROOTS
from embervirt.drivers.qemu.model import Controller, Domain
from embervirt.drivers.qemu.model.controller import MODELS
from embervirt.errors import ConfigUnsupported, InternalError, XmlDetail, XmlError


def check(domain: Domain) -> None:
    """Raise ConfigUnsupported, XmlError, XmlDetail, InternalError, with libvirt 9.0's codes."""
    seen: set[tuple[str, int | None]] = set()
    for controller in domain.devices.controllers:
        _model(controller)
        if controller.type == "pci":
            _pci(controller, domain)
        if controller.companion:
            continue
        key = (controller.type, controller.index)
        if key in seen:
            raise XmlError(f"Multiple '{controller.type}' controllers with index '{controller.index}'")
        seen.add(key)
    _disabled(domain)
    for controller in domain.devices.controllers:
        if controller.companion and ("usb", controller.index) not in seen:
            raise XmlDetail(
                f"No master USB controller specified: controller 'usb' with index '{controller.index}' and"
                f" model '{controller.model}' needs one with model 'ich9-ehci1'"
            )


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
    if model is None:
        raise InternalError("PCI controller model was not set correctly")
    root = ROOTS[domain.q35]
    if not index and model != root:
        raise XmlError(
            f"The PCI controller with index='0' must be model='{root}' for this machine type, "
            f"but model='{model}' was found instead"
        )
    if index and model in ROOTS:
        raise XmlError("pci-root and pcie-root controllers should have index 0")
    if model == "pci-expander-bus" and domain.q35:
        raise ConfigUnsupported(f"{model} controllers are only supported on 440fx-based machinetypes")
    if index is not None and index > 255:
        raise InternalError(f"the PCI controller with index='{index}' has no bus; expected 0 to 255")
