"""``<cpu>``: model, features, topology."""

from __future__ import annotations

from embervirt.drivers.xml import (
    Element,
    Text,
    attr,
    child,
    choice,
    content,
    integer,
    on_off,
)
from embervirt.errors import ConfigUnsupported

_WORD = Text("[A-Za-z0-9_.-]{1,80}", "letters, digits, '_', '.', '-'", ConfigUnsupported)
_COUNT = integer(1, 2**31 - 1)


class CpuModel(Element, tag="model", refuse=("@vendor_id",)):
    fallback: str | None = attr("fallback", choice("allow", "forbid"), default=None)
    name: str = content(_WORD)


class Topology(Element, tag="topology", refuse=("@clusters",)):
    sockets: int = attr("sockets", _COUNT)
    dies: int | None = attr("dies", _COUNT, default=None)
    cores: int = attr("cores", _COUNT)
    threads: int = attr("threads", _COUNT)


class Cpu(
    Element, tag="cpu", refuse=("vendor", "feature", "cache", "numa", "maxphysaddr", "arch", "signature")
):
    mode: str = attr(
        "mode", choice("custom", "host-passthrough", "maximum", later=("host-model",)), default="custom"
    )
    match: str | None = attr("match", choice("minimum", "exact", "strict"), default=None)
    check: str | None = attr("check", choice("none", "partial", "full"), default=None)
    migratable: bool | None = attr("migratable", on_off, default=None)
    model: CpuModel | None = child(CpuModel, default=None)
    topology: Topology | None = child(Topology, default=None)
