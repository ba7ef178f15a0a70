"""``<numa>`` in ``<cpu>``: the guest's NUMA nodes, their distances, and caches in front of memory."""

from __future__ import annotations

from embervirt.drivers.qemu.model.cpuset import cpuset
from embervirt.drivers.xml import Element, amount, attr, child, children, choice, integer, string, yes_no

_NUMBER = integer(0, 2**32 - 1)
MOST_CACHES = 3
LOCAL, REMOTE = 10, 20
"""Distances of a node to itself and to another one, when nobody says (ACPI SLIT)."""


class Sibling(Element, tag="sibling"):
    id: int = attr("id", _NUMBER)
    value: int = attr("value", _NUMBER)


class Distances(Element, tag="distances"):
    siblings: tuple[Sibling, ...] = children(Sibling, default=())


class CacheSize(Element, tag="size"):
    """As the user wrote it."""

    value: int = attr("value", _NUMBER)
    unit: str = attr("unit", string, default="KiB")


class CacheLine(Element, tag="line"):
    value: int = attr("value", _NUMBER)
    unit: str = attr("unit", string, default="B")


class MemoryCache(Element, tag="cache"):
    """A cache in front of a node's memory, as ACPI HMAT tells it; libvirt does not write ``none``."""

    level: int = attr("level", integer(1, MOST_CACHES))
    associativity: str | None = attr("associativity", choice("none", "direct", "full"), default=None)
    policy: str | None = attr("policy", choice("none", "writeback", "writethrough"), default=None)
    size: CacheSize = child(CacheSize)
    line: CacheLine = child(CacheLine)


class Cell(Element, tag="cell"):
    """``memory`` is KiB. ``id`` is never None after ``postparse``."""

    id: int | None = attr("id", _NUMBER, default=None)
    cpus: str | None = attr("cpus", cpuset, default=None)
    memory: int = amount("memory")
    access: str | None = attr("memAccess", choice("shared", "private"), default=None)
    discard: bool | None = attr("discard", yes_no, default=None)
    distances: Distances | None = child(Distances, default=None)
    caches: tuple[MemoryCache, ...] = children(MemoryCache, default=())


class Latency(Element, tag="latency"):
    """Nanoseconds from the CPUs of one node to the memory of another."""

    initiator: int = attr("initiator", _NUMBER)
    target: int = attr("target", _NUMBER)
    cache: int | None = attr("cache", _NUMBER, default=None)
    type: str = attr("type", choice("access", "read", "write"))
    value: int = attr("value", _NUMBER)


class Bandwidth(Element, tag="bandwidth"):
    """KiB a second, likewise."""

    initiator: int = attr("initiator", _NUMBER)
    target: int = attr("target", _NUMBER)
    cache: int | None = attr("cache", _NUMBER, default=None)
    type: str = attr("type", choice("access", "read", "write"))
    value: int = amount("value")


class Interconnects(Element, tag="interconnects"):
    latencies: tuple[Latency, ...] = children(Latency, default=())
    bandwidths: tuple[Bandwidth, ...] = children(Bandwidth, default=())


class Numa(Element, tag="numa"):
    cells: tuple[Cell, ...] = children(Cell, default=())
    interconnects: Interconnects | None = child(Interconnects, default=None)
