"""The machine itself: memory, type, vCPUs, CPU, what happens at a guest's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.errors import ConfigUnsupported, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


def check(domain: Domain, caps: Capabilities) -> None:
    """Memory, machine, vCPUs and the actions at a guest's end."""
    _memory(domain)
    _machine(domain, caps)
    _vcpus(domain, caps)
    _cpu(domain)
    _lifecycle(domain)


def _memory(domain: Domain) -> None:
    if domain.memory <= 0:
        raise XmlError("Memory size must be specified via <memory>: more than 0")


def _machine(domain: Domain, caps: Capabilities) -> None:
    kind = domain.os.type
    if kind.arch != caps.arch:
        raise ConfigUnsupported(f"arch '{kind.arch}': emulator '{caps.binary}' is for '{caps.arch}'")
    if kind.machine not in caps.machines:
        known = ", ".join(sorted({*caps.aliases, *caps.machines}))
        raise ConfigUnsupported(
            f"Emulator '{caps.binary}' does not support machine type '{kind.machine}'; it has: {known}"
        )
    if not kind.machine.startswith("pc-"):
        raise ConfigUnsupported(
            f"machine type '{kind.machine}' is not served; expected pc or q35 of any version"
        )
    if domain.type == "kvm" and not caps.kvm:
        raise ConfigUnsupported(
            f"Emulator '{caps.binary}' does not support virt type 'kvm' on this host; expected type='qemu'"
        )


def _vcpus(domain: Domain, caps: Capabilities) -> None:
    vcpu = domain.vcpu
    most = caps.machines[domain.os.type.machine or ""].max_cpus
    if vcpu.count > most:
        raise ConfigUnsupported(f"Maximum CPUs greater than specified machine type limit {most}")
    if vcpu.current is not None and vcpu.current > vcpu.count:
        raise ConfigUnsupported("maximum vCPU count must not be less than current vCPU count")
    topology = domain.cpu.topology if domain.cpu else None
    if topology:
        product = topology.sockets * (topology.dies or 1) * topology.cores * topology.threads
        if product != vcpu.count:
            raise ConfigUnsupported(
                f"CPU topology has {product} CPUs, <vcpu> has {vcpu.count}; expected the same number"
            )


def _cpu(domain: Domain) -> None:
    if domain.cpu and domain.cpu.mode == "host-passthrough" and domain.type == "qemu":
        raise ConfigUnsupported(
            "CPU mode 'host-passthrough' needs <domain type='kvm'>; use 'maximum' or 'custom'"
        )


def _lifecycle(domain: Domain) -> None:
    ends = {"on_poweroff": domain.on_poweroff, "on_reboot": domain.on_reboot, "on_crash": domain.on_crash}
    for event, action in ends.items():
        if action == "rename-restart" or (action == "preserve" and event != "on_crash"):
            raise ConfigUnsupported(f"qemu driver doesn't support the '{action}' action for '{event}'")
    if (domain.on_poweroff, domain.on_reboot) == ("restart", "destroy"):
        raise ConfigUnsupported("qemu driver doesn't support on_reboot 'destroy' with on_poweroff 'restart'")
