"""The processor when the XML does not say which."""

from __future__ import annotations

from dataclasses import replace

from embervirt.drivers.qemu.model.cpu import Cpu, CpuModel

DEFAULT_CPU = "qemu64"
"""What every x86_64 machine of QEMU has when nobody says otherwise (query-machines, default-cpu-type)."""


def complete(cpu: Cpu | None) -> Cpu:
    """A model, and how it is checked."""
    if cpu is None or (cpu.mode == "custom" and cpu.model is None):
        topology = cpu.topology if cpu else None
        model = CpuModel(fallback="forbid", name=DEFAULT_CPU)
        return Cpu(mode="custom", match="exact", check="none", model=model, topology=topology)
    if cpu.mode == "custom":
        return replace(cpu, match=cpu.match or "exact", check=cpu.check or "none")
    migratable = True if cpu.mode == "host-passthrough" and cpu.migratable is None else cpu.migratable
    return replace(cpu, check=cpu.check or "none", migratable=migratable)
