"""The processor when the XML does not say which, and the guest's NUMA nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpu import Cpu, CpuModel, Topology
from embervirt.drivers.qemu.model.cpuset import HIGHEST, members, text_of
from embervirt.drivers.qemu.model.numa import Cell, Distances, Numa, Sibling
from embervirt.drivers.xml import replace
from embervirt.errors import ConfigUnsupported, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

MOST_CELLS = 128
"""QEMU's own limit of nodes."""

LOCAL, REMOTE = 10, 20
"""Distances of a node to itself and to another one, when nobody says (ACPI SLIT)."""


def complete(domain: Domain, caps: Capabilities) -> Cpu | None:
    """A model, how it is checked, and nodes with numbers. Raises what the NUMA nodes are wrong about."""
    cpu = domain.cpu or Cpu()
    if cpu.features and cpu.mode == "custom" and cpu.model is None:
        raise XmlError("Non-empty feature list specified without CPU model")
    cpu = replace(cpu, topology=_topology(cpu.topology), numa=_numa(cpu.numa, domain.vcpu.count))
    if cpu.mode != "custom":
        return _mode(cpu)
    if cpu.model is not None:
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


def _mode(cpu: Cpu) -> Cpu:
    if cpu.mode == "host-model":
        model = cpu.model if cpu.model and (cpu.model.name or cpu.model.vendor_id) else None
        if model and model.name:
            model = replace(model, fallback=model.fallback or "allow")
        return replace(cpu, match=None, check=cpu.check or "partial", model=model)
    migratable = True if cpu.mode == "host-passthrough" and cpu.migratable is None else cpu.migratable
    return replace(cpu, match=None, check=cpu.check or "none", migratable=migratable, model=None)


def _topology(topology: Topology | None) -> Topology | None:
    if topology is None:
        return None
    clusters = topology.clusters if (topology.clusters or 1) > 1 else None
    return replace(topology, dies=topology.dies or 1, clusters=clusters)


def _numa(numa: Numa | None, vcpus: int) -> Numa | None:
    """Nodes in the order of their numbers; a vCPU without a node is in the first."""
    if numa is None or not numa.cells:
        return None
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
    return replace(numa, cells=_distances(cells))


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
    """How far each is from each, if anybody says anything: the way back is as long as the way there."""
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
    numbers = range(len(cells))
    rows = [tuple(Sibling(id=t, value=given.get((h, t), _usual(h, t))) for t in numbers) for h in numbers]
    known = {here for here, _ in given}
    return tuple(
        replace(cell, distances=Distances(siblings=rows[n]) if n in known else None)
        for n, cell in enumerate(cells)
    )


def _usual(here: int, there: int) -> int:
    return LOCAL if here == there else REMOTE


def _check_distances(given: dict[tuple[int, int], int], count: int) -> None:
    for (here, there), value in given.items():
        if there >= count:
            text = f"'sibling_id {there}' does not refer to a valid cell within NUMA 'cell id {here}'"
            raise XmlError(text)
        if not LOCAL <= value <= 255 or (value == LOCAL) != (here == there):
            raise XmlError(f"'value {value}' is invalid for 'sibling id {there}' under NUMA 'cell id {here}'")
