"""Which named model, with which features added and taken away, is a given set of features.

Source of the rules: libvirt's documentation of ``host-model`` and what an installed libvirt 9.0 answers:
a model of the CPU's own signature is best, then the one with the shortest list of differences.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from embervirt.drivers.qemu.capabilities import Accelerator, HostCpu
from embervirt.drivers.qemu.cpu.map import CpuMap, Model, cpu_map
from embervirt.drivers.qemu.cpu.names import from_qemu


@dataclass(frozen=True)
class Described:
    """A CPU as ``<cpu mode='custom'>`` says it."""

    model: str
    vendor: str | None
    require: tuple[str, ...]
    disable: tuple[str, ...]

    @property
    def differences(self) -> int:
        """How many features must be named."""
        return len(self.require) + len(self.disable)

    @property
    def features(self) -> frozenset[str]:
        """All that such a CPU has."""
        model = cpu_map().models[self.model].features
        return model.union(self.require).difference(self.disable)


Signature = tuple[int, int, int]


@lru_cache(maxsize=16)
def host_model(accelerator: Accelerator, *, migratable: bool = True) -> Described | None:
    """The most that a guest can have under an accelerator; None when QEMU does not say.

    Not ``migratable``: also what would keep it from being migrated.
    """
    host = accelerator.host
    if host is None:
        return None
    return describe(
        features_of(host) | (frozenset() if migratable else host_bound(host)),
        cpu_map().vendor(host.vendor),
        (host.family, host.model, host.stepping),
        missing(accelerator),
    )


@lru_cache(maxsize=16)
def missing(accelerator: Accelerator) -> Mapping[str, frozenset[str]]:
    """Of each model of QEMU, the features (libvirt's names) that keep it from running as it is."""
    return {cpu.name: frozenset(map(from_qemu, cpu.missing)) for cpu in accelerator.cpus}


def features_of(host: HostCpu) -> frozenset[str]:
    """Its features in libvirt's names."""
    return frozenset(map(from_qemu, host.features)) & cpu_map().order.keys()


def host_bound(host: HostCpu) -> frozenset[str]:
    """What it has besides, and what no other host may have."""
    return frozenset(map(from_qemu, host.unmigratable)) & cpu_map().order.keys()


def describe(
    features: frozenset[str],
    vendor: str | None,
    signature: Signature | None,
    models: Mapping[str, frozenset[str]],
    host: bool = False,
) -> Described | None:
    """``models``: those that may be used, with features that each may need disabled besides.

    ``host``: the CPU is a host's own, whose description takes nothing away.
    """
    known = cpu_map()
    best: tuple[Model, Described] | None = None
    for model in reversed(known.models.values()):
        if model.name not in models or not (model.host if host else model.guest):
            continue
        if model.vendor and vendor and model.vendor != vendor:
            continue
        candidate = _difference(known, model, features, vendor, models[model.name])
        if host and candidate.disable:
            continue
        if best is None or _better(best, (model, candidate), signature):
            best = model, candidate
    return best[1] if best else None


def _difference(
    known: CpuMap, model: Model, features: frozenset[str], vendor: str | None, blockers: Collection[str]
) -> Described:
    wanted = model.features.union(blockers) if blockers else model.features
    kept = model.features.difference(model.removed)
    require, disable = known.sorted(features - kept), known.sorted(wanted - features)
    return Described(model.name, vendor, tuple(require), tuple(disable))


def _better(
    now: tuple[Model, Described], other: tuple[Model, Described], signature: Signature | None
) -> bool:
    """Whether ``other`` is to replace what was found so far."""
    if signature:
        ours, theirs = now[0].fits(*signature), other[0].fits(*signature)
        if ours != theirs:
            return theirs
    return now[1].differences > other[1].differences
