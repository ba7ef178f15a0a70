"""The x86 CPU models that libvirt's XML can name. Data: ``x86.json``, from libvirt 9.0's CPU map."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

PACKAGE = "embervirt.drivers.qemu.cpu"


class Model(msgspec.Struct, frozen=True):
    """A named CPU. ``removed``: features it once had, which count as not asked for when nobody names them.

    ``host`` and ``guest``: whether a host's or a guest's CPU may be described by it.
    """

    name: str
    vendor: str | None
    signatures: tuple[tuple[int, int, str | None], ...]
    features: frozenset[str]
    removed: tuple[str, ...]
    host: bool
    guest: bool

    def fits(self, family: int, model: int, stepping: int) -> bool:
        """Whether a CPU with this CPUID signature is one of these."""
        return any((family, model) == (f, m) and _within(stepping, s) for f, m, s in self.signatures)


def _within(stepping: int, span: str | None) -> bool:
    if span is None:
        return True
    low, _, high = span.partition("-")
    return int(low) <= stepping <= int(high or low)


class CpuMap(msgspec.Struct, frozen=True):
    """``order``: features and their places in libvirt's lists; ``vendors``: CPUID's words by libvirt's.

    ``msr``: features that are told by a model-specific register.
    """

    models: dict[str, Model]
    order: dict[str, int]
    vendors: dict[str, str]
    unmigratable: frozenset[str]
    msr: frozenset[str]
    from_qemu: dict[str, str]
    from_linux: dict[str, str]

    def sorted(self, features: frozenset[str]) -> list[str]:
        """Known features in libvirt's order."""
        return sorted(features & self.order.keys(), key=self.order.__getitem__)

    def vendor(self, word: str) -> str | None:
        """libvirt's word for CPUID's: ``AMD`` for ``AuthenticAMD``."""
        return next((name for name, cpuid in self.vendors.items() if cpuid == word), None)


class _RawModel(msgspec.Struct):
    name: str
    vendor: str | None
    signatures: tuple[tuple[int, int, str | None], ...]
    host: bool
    guest: bool
    removed: str
    features: str


class _Raw(msgspec.Struct):
    vendors: dict[str, str]
    unmigratable: str
    msr: str
    aliases: dict[str, dict[str, str]]
    features: str
    models: list[_RawModel]


@cache
def cpu_map() -> CpuMap:
    """The map; read once."""
    data = resources.files(PACKAGE).joinpath("x86.json").read_bytes()
    raw = msgspec.json.decode(data, type=_Raw)
    return CpuMap(
        models={each.name: _model(each) for each in raw.models},
        order={name: place for place, name in enumerate(raw.features.split())},
        vendors=raw.vendors,
        unmigratable=frozenset(raw.unmigratable.split()),
        msr=frozenset(raw.msr.split()),
        from_qemu=raw.aliases["qemu"],
        from_linux=raw.aliases["linux"],
    )


def _model(raw: _RawModel) -> Model:
    features, removed = frozenset(raw.features.split()), tuple(raw.removed.split())
    return Model(raw.name, raw.vendor, raw.signatures, features, removed, raw.host, raw.guest)
