"""The watchdog."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.address import PciAddress
from embervirt.errors import ConfigUnsupported, InternalError


def check(domain: Domain) -> None:
    """One, where its model can be."""
    watchdogs = domain.devices.watchdogs
    if len(watchdogs) > 1:
        raise InternalError("only a single watchdog device is supported")
    for watchdog in watchdogs:
        model = watchdog.model
        if model == "i6300esb":
            if watchdog.address and not isinstance(watchdog.address, PciAddress):
                raise ConfigUnsupported(f"{model} model of watchdog can go only on PCI bus")
        elif watchdog.address:
            raise ConfigUnsupported(f"{model} model of watchdog does not support configuring the address")
        if model == "itco" and not domain.q35:
            raise ConfigUnsupported("itco model of watchdog is part of the machine type q35 only")
