"""What a QEMU binary can do; ``backend.probe`` asks it."""

from __future__ import annotations

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """A machine type. ``default_ram_id`` is the memory backend's id that keeps migration compatible.

    ``default_cpu`` is the CPU model it has when nobody says which; None for a machine without CPUs.
    ``numa_mem``: a NUMA node's memory can be given as a size, without a backend.
    """

    name: str
    alias: str | None
    default_ram_id: str | None
    max_cpus: int
    deprecated: bool
    default: bool = False
    default_cpu: str | None = "qemu64"
    numa_mem: bool = False


class CpuDefinition(msgspec.Struct, frozen=True):
    """A CPU model of QEMU; ``missing``: features (QEMU's names) that keep it from running here."""

    name: str
    missing: tuple[str, ...] = ()
    deprecated: bool = False

    @property
    def usable(self) -> bool:
        """Whether it runs here as it is."""
        return not self.missing


class HostCpu(msgspec.Struct, frozen=True):
    """The most that a guest's CPU can have under one accelerator: QEMU's ``host`` or ``max``.

    ``features``: those that are on, in QEMU's names; ``unmigratable``: those that are off for the sake
    of migration.
    """

    vendor: str
    family: int
    model: int
    stepping: int
    features: frozenset[str]
    unmigratable: frozenset[str] = frozenset()


class Accelerator(msgspec.Struct, frozen=True):
    """CPU models under ``tcg`` or ``kvm``; ``cpus`` in QEMU's order."""

    cpus: tuple[CpuDefinition, ...] = ()
    host: HostCpu | None = None


class Capabilities(msgspec.Struct, frozen=True):
    """What ``binary`` (its real path) can do. ``aliases`` maps a machine's alias to its name.

    ``devices`` and ``objects`` are what ``-device`` and ``-object`` take, ``commands`` QMP's, ``kvm``
    whether this host's KVM works with it.
    """

    binary: str
    version: tuple[int, int, int]
    arch: str
    machines: dict[str, Machine]
    aliases: dict[str, str]
    devices: frozenset[str]
    objects: frozenset[str]
    commands: frozenset[str]
    kvm: bool
    tcg_cpus: Accelerator = Accelerator()
    kvm_cpus: Accelerator = Accelerator()
    package: str = ""

    @property
    def default_machine(self) -> str:
        """The machine of a guest that does not say which."""
        return next((name for name, machine in sorted(self.machines.items()) if machine.default), "pc")

    def default_cpu(self, machine: str) -> str | None:
        """The CPU model of a machine (or its alias) that does not say which; None without CPUs."""
        known = self.machines.get(self.aliases.get(machine, machine))
        return known.default_cpu if known else None

    def accelerator(self, domain_type: str) -> Accelerator:
        """Of a domain's type, ``kvm`` or ``qemu``."""
        return self.kvm_cpus if domain_type == "kvm" else self.tcg_cpus
