"""The host's own CPU, as Linux shows it in /proc/cpuinfo."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from embervirt.drivers.qemu.cpu.map import cpu_map
from embervirt.drivers.qemu.cpu.names import from_linux

CPUINFO = Path("/proc/cpuinfo")


class PhysicalCpu(msgspec.Struct, frozen=True):
    """CPUID's vendor and signature; ``features`` in libvirt's names; ``mhz`` is of the moment."""

    vendor: str
    family: int
    model: int
    stepping: int
    microcode: int
    features: frozenset[str]
    mhz: float = 0.0


def parse(text: str) -> PhysicalCpu | None:
    """The first CPU of a /proc/cpuinfo; None for an architecture whose file has other words."""
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    fields = {key.strip(): value.strip() for key, _, value in lines}
    if "cpu family" not in fields or "flags" not in fields:
        return None
    flags = fields["flags"].split()
    features = {from_linux(flag) for flag in flags}
    if "constant_tsc" in flags and "nonstop_tsc" in flags:
        features.add("invtsc")
    if "xsave" in flags:
        features.add("osxsave")  # Linux runs, so it has switched it on
    return PhysicalCpu(
        vendor=fields.get("vendor_id", ""),
        family=int(fields["cpu family"]),
        model=int(fields["model"]),
        stepping=int(fields.get("stepping", "0")),
        microcode=int(fields.get("microcode", "0"), 16),
        features=frozenset(name for name in features if name) & cpu_map().order.keys(),
        mhz=float(fields.get("cpu MHz", "0")),
    )


@cache
def physical() -> PhysicalCpu | None:
    """The CPU of this host; read once."""
    return parse(CPUINFO.read_text())
