"""Panic devices."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.address import IsaAddress
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, XmlError


def check(domain: Domain) -> None:
    """One of each model, and only ISA has places."""
    for panic in domain.devices.panics:
        if panic.address and panic.model == "hyperv":
            text = f"setting the panic device address is not supported for model '{panic.model}'"
            raise ConfigUnsupported(text)
        if panic.address and not isinstance(panic.address, IsaAddress):
            raise ConfigUnsupported("panic is supported only with ISA address type")
    twice = repeated([panic.model for panic in domain.devices.panics])
    if twice:
        raise XmlError(f"Multiple panic devices with model '{twice}'")
