"""``<cpu>``: model, features, topology, caches; the guest's NUMA nodes are in ``numa``."""

from __future__ import annotations

from embervirt.drivers.qemu.model.numa import Numa
from embervirt.drivers.xml import Element, Text, attr, child, children, choice, content, integer, on_off, text
from embervirt.errors import ConfigUnsupported

WORD = Text("[A-Za-z0-9_.-]{1,80}", "letters, digits, '_', '.', '-'", ConfigUnsupported)
_COUNT = integer(1, 2**31 - 1)
VENDOR_ID = 12
"""Characters of a CPUID vendor, as ``GenuineIntel``."""


class CpuModel(Element, tag="model"):
    """``vendor_id``: what CPUID says in place of the model's own; ``name`` may be empty with host-model."""

    fallback: str | None = attr("fallback", choice("allow", "forbid", error=ConfigUnsupported), default=None)
    vendor_id: str | None = attr(
        "vendor_id", Text(f"[^,]{{{VENDOR_ID}}}", f"{VENDOR_ID} characters, no comma"), default=None
    )
    name: str = content(WORD, default="")


class Topology(Element, tag="topology", refuse=("@modules",)):
    sockets: int = attr("sockets", _COUNT)
    dies: int | None = attr("dies", _COUNT, default=None)
    clusters: int | None = attr("clusters", _COUNT, default=None)
    cores: int = attr("cores", _COUNT)
    threads: int = attr("threads", _COUNT)

    @property
    def cpus(self) -> int:
        """How many there are in all."""
        return self.sockets * (self.dies or 1) * (self.clusters or 1) * self.cores * self.threads


POLICIES = ("force", "require", "optional", "disable", "forbid")


class Feature(Element, tag="feature"):
    policy: str = attr("policy", choice(*POLICIES, error=ConfigUnsupported), default="require")
    name: str = attr("name", WORD)


class Cache(Element, tag="cache"):
    level: int | None = attr("level", integer(1, 3), default=None)
    mode: str = attr("mode", choice("emulate", "passthrough", "disable"))


class MaxPhysAddr(Element, tag="maxphysaddr", refuse=("@limit",)):
    mode: str = attr("mode", choice("emulate", "passthrough"))
    bits: int | None = attr("bits", integer(0, 2**31 - 1), default=None)


class Cpu(Element, tag="cpu", refuse=("arch", "signature")):
    """``custom`` without a model is the machine's own; ``host-model`` becomes ``custom`` in each run."""

    mode: str = attr(
        "mode",
        choice("custom", "host-model", "host-passthrough", "maximum", error=ConfigUnsupported),
        default="custom",
    )
    match: str | None = attr("match", choice("minimum", "exact", "strict"), default=None)
    check: str | None = attr("check", choice("none", "partial", "full"), default=None)
    migratable: bool | None = attr("migratable", on_off, default=None)
    model: CpuModel | None = child(CpuModel, default=None)
    vendor: str | None = text("vendor", WORD, default=None)
    topology: Topology | None = child(Topology, default=None)
    cache: Cache | None = child(Cache, default=None)
    maxphysaddr: MaxPhysAddr | None = child(MaxPhysAddr, default=None)
    features: tuple[Feature, ...] = children(Feature, default=())
    numa: Numa | None = child(Numa, default=None)
