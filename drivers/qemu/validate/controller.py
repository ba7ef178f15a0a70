"""Controllers."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.controller import MODELS
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, XmlError


def check(domain: Domain) -> None:
    """Models that are served, numbers that differ."""
    for controller in domain.devices.controllers:
        models = MODELS[controller.type]
        if (controller.model or None) not in (models or (None,)):
            accepted = ", ".join(models) or "none"
            what = f"controller '{controller.type}': model '{controller.model}' is not served"
            raise ConfigUnsupported(f"{what}; expected: {accepted}")
    twice = repeated([(controller.type, controller.index) for controller in domain.devices.controllers])
    if twice:
        raise XmlError(f"Multiple '{twice[0]}' controllers with index '{twice[1]}'")
