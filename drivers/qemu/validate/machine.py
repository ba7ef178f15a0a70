"""The machine itself: type, architecture, accelerator, a guest's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.address import PciAddress
from embervirt.errors import ConfigUnsupported, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

RUNS = {"x86_64": ("x86_64", "i686"), "i686": ("i686",)}
"""Architectures of guests by that of the emulator."""


PC = "pc-"
"""How the names of the machines with PCI begin."""


def check(domain: Domain, caps: Capabilities) -> None:
    """Machine and the actions at a guest's end."""
    _machine(domain, caps)
    _lifecycle(domain)


def _machine(domain: Domain, caps: Capabilities) -> None:
    kind = domain.os.type
    if kind.arch in RUNS and not (kind.machine or "").startswith(PC) and _has_pci(domain):
        text = f"No PCI buses available on machine type '{kind.machine}'; expected pc or q35 of any version"
        raise XmlError(text)
    if kind.arch not in RUNS.get(caps.arch, (caps.arch,)):
        raise ConfigUnsupported(f"Emulator '{caps.binary}' does not support arch '{kind.arch}'")
    if kind.machine not in caps.machines or kind.machine == "none":
        known = ", ".join(sorted({*caps.aliases, *caps.machines} - {"none"}))
        raise ConfigUnsupported(
            f"Emulator '{caps.binary}' does not support machine type '{kind.machine}'; it has: {known}"
        )
    if not kind.machine.startswith(PC):
        raise ConfigUnsupported(
            f"machine type '{kind.machine}' is not served; expected pc or q35 of any version"
        )
    if domain.type == "kvm" and not caps.kvm:
        raise ConfigUnsupported(
            f"Emulator '{caps.binary}' does not support virt type 'kvm' on this host; expected type='qemu'"
        )


def _has_pci(domain: Domain) -> bool:
    return any(isinstance(device.address, PciAddress) for device in domain.devices.all)


def _lifecycle(domain: Domain) -> None:
    ends = {"on_poweroff": domain.on_poweroff, "on_reboot": domain.on_reboot, "on_crash": domain.on_crash}
    for event, action in ends.items():
        if action == "rename-restart" or (action == "preserve" and event != "on_crash"):
            raise ConfigUnsupported(f"qemu driver doesn't support the '{action}' action for '{event}'")
    if (domain.on_poweroff, domain.on_reboot) == ("restart", "destroy"):
        raise ConfigUnsupported("qemu driver doesn't support on_reboot 'destroy' with on_poweroff 'restart'")
