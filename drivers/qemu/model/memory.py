"""``<memoryBacking>``, ``<maxMemory>`` and ``<vcpu>``: what a guest gets of the host."""

from __future__ import annotations

from embervirt.drivers.qemu.model.cpuset import cpuset
from embervirt.drivers.xml import (
    Element,
    amount,
    attr,
    child,
    children,
    choice,
    content,
    flag,
    integer,
    yes_no,
)
from embervirt.errors import ConfigUnsupported

_NUMBER = integer(0, 2**31 - 1)


class MaxMemory(Element, tag="maxMemory"):
    """How far memory can grow by hot-plug, in KiB."""

    slots: int = attr("slots", integer(0, 2**32 - 1), default=0)
    size: int = amount()


class Page(Element, tag="page"):
    """``size`` is KiB; ``nodeset``: the guest's nodes that get pages of this size, all others when None."""

    size: int = amount("size")
    nodeset: str | None = attr("nodeset", cpuset, default=None)


class HugePages(Element, tag="hugepages"):
    """Pages of the host's default size when it names none."""

    pages: tuple[Page, ...] = children(Page, default=())


class MemorySource(Element, tag="source"):
    type: str | None = attr(
        "type", choice("file", "anonymous", "memfd", error=ConfigUnsupported), default=None
    )


class MemoryAccess(Element, tag="access"):
    mode: str | None = attr("mode", choice("shared", "private", error=ConfigUnsupported), default=None)


class Allocation(Element, tag="allocation"):
    """``immediate``: every page is there before the guest runs."""

    mode: str | None = attr("mode", choice("immediate", "ondemand", error=ConfigUnsupported), default=None)
    threads: int | None = attr("threads", _NUMBER, default=None)


class MemoryBacking(Element, tag="memoryBacking"):
    hugepages: HugePages | None = child(HugePages, default=None)
    no_share_pages: bool = flag("nosharepages", default=False)
    locked: bool = flag("locked", default=False)
    source: MemorySource | None = child(MemorySource, default=None)
    access: MemoryAccess | None = child(MemoryAccess, default=None)
    allocation: Allocation | None = child(Allocation, default=None)
    discard: bool = flag("discard", default=False)


class Vcpu(Element, tag="vcpu"):
    """``count`` at most, ``current`` of them at start (all when None); ``cpuset``: of the host, for all."""

    placement: str | None = attr("placement", choice("static", "auto"), default=None)
    cpuset: str | None = attr("cpuset", cpuset, default=None)
    current: int | None = attr("current", _NUMBER, default=None)
    count: int = content(_NUMBER)


class SingleVcpu(Element, tag="vcpu"):
    """``order``: in which order those that can be unplugged were plugged, from 1."""

    id: int = attr("id", _NUMBER)
    enabled: bool = attr("enabled", yes_no)
    hotpluggable: bool | None = attr("hotpluggable", yes_no, default=None)
    order: int | None = attr("order", _NUMBER, default=None)


class Vcpus(Element, tag="vcpus"):
    vcpus: tuple[SingleVcpu, ...] = children(SingleVcpu, default=())
