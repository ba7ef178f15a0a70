"""The processor when the XML does not say which, and the guest's NUMA nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpu import Cpu, CpuModel, Topology
from embervirt.drivers.qemu.model.cpuset import HIGHEST, members, text_of
from embervirt.drivers.qemu.model.numa import (
    LOCAL,
    Cell,
    Distances,
    Interconnects,
    MemoryCache,
    Numa,
    Sibling,
)
from embervirt.drivers.xml import replace
from embervirt.errors import ConfigUnsupported, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

MOST_CELLS = 128
"""QEMU's own limit of nodes."""


def complete(domain: Domain, caps: Capabilities) -> Cpu | None:
    """A model, how it is checked, and nodes with numbers. Raises what the NUMA nodes are wrong about."""
    cpu = domain.cpu or Cpu()
    named = cpu.model is not None and bool(cpu.model.name)
    if cpu.features and cpu.mode == "custom" and not named:
        raise XmlError("Non-empty feature list specified without CPU model")
    if cpu.vendor and not named:
        raise XmlError("CPU vendor specified without CPU model")
    cpu = replace(cpu, topology=_topology(cpu.topology), numa=_numa(cpu.numa, domain.vcpu.count))
    if cpu.mode != "custom":
        return _mode(cpu, caps.arch == "x86_64")
    if cpu.model is not None and named:
        model = replace(cpu.model, fallback=cpu.model.fallback or "allow")
        check = cpu.check or ("partial" if domain.type == "kvm" else "none")
        return replace(cpu, model=model, match=cpu.match or "exact", check=check)
    return _default(cpu, caps.default_cpu(domain.os.type.machine or caps.default_machine))


def _default(cpu: Cpu, name: str | None) -> Cpu | None:
    """The machine's own model; nothing at all when it has none and the XML says nothing."""
    if name is None:
        return cpu if cpu != Cpu() else None
    model = CpuModel(fallback="forbid", name=name)
    return replace(cpu, match="exact", check="none", model=model, vendor=None)


def _mode(cpu: Cpu, migratable: bool) -> Cpu:
    """``migratable``: whether QEMU's passthrough can leave out what only this host has."""
    if cpu.mode == "host-model":
        model = cpu.model if cpu.model and (cpu.model.name or cpu.model.vendor_id) else None
        if model and model.name:
            model = replace(model, fallback=model.fallback or "allow")
        return replace(cpu, match=None, check=cpu.check or "partial", model=model)
    usual = migratable if cpu.mode == "host-passthrough" else None
    chosen = usual if cpu.migratable is None else cpu.migratable
    check = cpu.check or "none"
    return replace(cpu, match=None, check=check, migratable=chosen, model=None, vendor=None)


def _topology(topology: Topology | None) -> Topology | None:
    if topology is None:
        return None
    clusters = topology.clusters if (topology.clusters or 1) > 1 else None
    return replace(topology, dies=topology.dies or 1, clusters=clusters)


def _numa(numa: Numa | None, vcpus: int) -> Numa | None:
    """Nodes in the order of their numbers; a vCPU without a node is in the first."""
    if numa is None:
        return None
    if not numa.cells:
        raise XmlError("NUMA topology defined without NUMA cells")
    if len(numa.cells) > MOST_CELLS:
        raise ConfigUnsupported(f"{len(numa.cells)} NUMA cells; at most {MOST_CELLS} are supported")
    if vcpus > HIGHEST + 1:
        raise ConfigUnsupported(f"{vcpus} vCPUs; at most {HIGHEST + 1} can be in NUMA cells")
    cells = _numbered(numa.cells)
    placed = {vcpu for cell in cells for vcpu in members(cell.cpus or "0,^0")}
    free = tuple(vcpu for vcpu in range(vcpus) if vcpu not in placed)
    if free:
        first = cells[0]
        cells = (replace(first, cpus=text_of((*members(first.cpus or "0,^0"), *free))), *cells[1:])
    cells = tuple(replace(cell, caches=tuple(map(_cache, cell.caches))) for cell in cells)
    return replace(numa, cells=_distances(cells), interconnects=_interconnects(numa.interconnects))


def _cache(cache: MemoryCache) -> MemoryCache:
    associativity, policy = (None if word == "none" else word for word in (cache.associativity, cache.policy))
    return replace(cache, associativity=associativity, policy=policy)


def _interconnects(links: Interconnects | None) -> Interconnects | None:
    """Cache 0 is the memory itself."""
    if links is None or links == Interconnects():
        return None
    return Interconnects(
        latencies=tuple(replace(each, cache=each.cache or None) for each in links.latencies),
        bandwidths=tuple(replace(each, cache=each.cache or None) for each in links.bandwidths),
    )


def _numbered(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    numbers = [place if cell.id is None else cell.id for place, cell in enumerate(cells)]
    if any(number >= len(cells) for number in numbers):
        raise XmlError(
            "Exactly one 'cell' element per guest NUMA cell allowed, non-contiguous ranges or ranges"
            f" not starting from 0 are not allowed; there are {len(cells)} cells"
        )
    twice = next((n for place, n in enumerate(numbers) if n in numbers[:place]), None)
    if twice is not None:
        raise XmlError(f"Duplicate NUMA cell info for cell id '{twice}'")
    ordered = sorted(zip(numbers, cells, strict=True), key=lambda pair: pair[0])
    done = tuple(replace(cell, id=number) for number, cell in ordered)
    _check_overlap(done)
    return done


def _check_overlap(cells: tuple[Cell, ...]) -> None:
    for cell in cells:
        for other in cells[: cell.id]:
            if set(members(cell.cpus or "0,^0")) & set(members(other.cpus or "0,^0")):
                raise ConfigUnsupported(f"NUMA cells {cell.id} and {other.id} have overlapping vCPU ids")


def _distances(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """What is said, and what follows: the way back is as long as the way there, both ends are at home."""
    if any(cell.distances and not cell.distances.siblings for cell in cells):
        raise XmlError("NUMA distances defined without siblings")
    given = {
        (cell.id or 0, sibling.id): sibling.value
        for cell in cells
        for sibling in (cell.distances.siblings if cell.distances else ())
    }
    if not given:
        return tuple(replace(cell, distances=None) for cell in cells)
    _check_distances(given, len(cells))
    for (here, there), value in list(given.items()):
        given.setdefault((there, here), value)
        given.setdefault((here, here), LOCAL)
        given.setdefault((there, there), LOCAL)
    return tuple(replace(cell, distances=_row(given, n, len(cells))) for n, cell in enumerate(cells))


def _row(given: dict[tuple[int, int], int], here: int, count: int) -> Distances | None:
    known = (there for there in range(count) if (here, there) in given)
    row = tuple(Sibling(id=there, value=given[here, there]) for there in known)
    return Distances(siblings=row) if row else None


def _check_distances(given: dict[tuple[int, int], int], count: int) -> None:
    for (here, there), value in given.items():
        if there >= count:
            text = f"'sibling_id {there}' does not refer to a valid cell within NUMA 'cell id {here}'"
            raise XmlError(text)
        if not LOCAL <= value <= 255 or (value == LOCAL) != (here == there):
            raise XmlError(f"'value {value}' is invalid for 'sibling id {there}' under NUMA 'cell id {here}'")
