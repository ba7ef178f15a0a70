"""``<memoryBacking>`` and ``<vcpu>``: what a guest gets of the host."""

from __future__ import annotations

from embervirt.drivers.xml import Element, attr, child, choice, content, integer
from embervirt.errors import ConfigUnsupported

_COUNT = integer(1, 2**31 - 1)


class MemorySource(Element, tag="source"):
    type: str = attr("type", choice("file", "anonymous", "memfd", error=ConfigUnsupported))


class MemoryAccess(Element, tag="access"):
    mode: str = attr("mode", choice("shared", "private", error=ConfigUnsupported))


class MemoryBacking(
    Element, tag="memoryBacking", refuse=("hugepages", "nosharepages", "locked", "allocation", "discard")
):
    source: MemorySource | None = child(MemorySource, default=None)
    access: MemoryAccess | None = child(MemoryAccess, default=None)


class Vcpu(Element, tag="vcpu", refuse=("@cpuset",)):
    """``count`` at most, ``current`` of them at start (all when None)."""

    placement: str = attr("placement", choice("static", later=("auto",)), default="static")
    current: int | None = attr("current", _COUNT, default=None)
    count: int = content(_COUNT, default=1)
