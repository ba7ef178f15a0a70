"""The guest's memory: one backend for all of it, or one for each NUMA node."""

from __future__ import annotations

import itertools
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpuset import members
from embervirt.drivers.qemu.model.numa import LOCAL, REMOTE, Bandwidth, Cell, Latency, MemoryCache
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.part import Object, Option, Part
from embervirt.drivers.qemu.parts.render import options
from embervirt.errors import InternalError

_KIB, _MIB = 1024, 1024 * 1024
THREAD_CONTEXT = (7, 2, 0)
"""The QEMU that brought ``thread-context``."""

ORDINARY = resource.getpagesize() // _KIB
"""KiB of a page that is not huge."""

POLICIES = {"strict": "bind", "preferred": "preferred", "interleave": "interleave"}
"""QEMU's NUMA policies; ``restrictive`` has none, the host's cgroups do it."""

ASSOCIATIVITY = {None: "none", "none": "none", "direct": "direct", "full": "complex"}
LEVELS = ("memory", "first-level", "second-level", "third-level")
"""QEMU's words for the caches in front of memory, by their number."""

POLICY = {None: "none", "none": "none", "writeback": "write-back", "writethrough": "write-through"}


def parts(build: Build) -> Iterator[Part]:
    """``-m``, the backend of a guest without NUMA nodes, locking."""
    domain = build.domain
    backing = domain.memory_backing
    size = _rounded(sum(_rounded(cell.memory) for cell in domain.cells) or domain.memory)
    most = domain.max_memory
    if most:
        grown = {"slots": most.slots, "maxmem": f"{_rounded(most.size)}k"}
        yield Option("m", options(f"size={size}k", grown))
    else:
        yield Option("m", str(size // _KIB))
    ram = build.caps.machines[domain.os.type.machine or ""].default_ram_id
    if ram and not domain.cells:
        yield from _on_its_nodes(_backend(build, ram, size * _KIB, None), build)
    yield Option("overcommit", options(f"mem-lock={'on' if backing and backing.locked else 'off'}", {}))


def _rounded(kib: int) -> int:
    """Whole MiB, as QEMU wants them."""
    return -(-kib // _KIB) * _KIB


def nodes(build: Build) -> Iterator[Part]:
    """A backend and ``-numa node`` for each node, then distances, latencies and caches."""
    domain = build.domain
    initiators = _initiators(domain)
    backends = {
        cell.id: _backend(build, f"ram-node{cell.id}", _rounded(cell.memory) * _KIB, cell)
        for cell in domain.cells
    }
    plain = build.caps.machines[domain.os.type.machine or ""].numa_mem and not initiators
    plain = plain and all(map(_is_plain, backends.values()))
    if plain and any(backend.props.get("prealloc") for backend in backends.values()):
        yield Option("mem-prealloc")
    for cell in domain.cells:
        cpus = "".join(f",cpus={span}" for span in cell.cpus.split(",")) if cell.cpus else ""
        initiator = f",initiator={initiators[cell.id or 0]}" if cell.id in initiators else ""
        memory = f"mem={_rounded(cell.memory) // _KIB}" if plain else f"memdev=ram-node{cell.id}"
        if not plain:
            yield from _on_its_nodes(backends[cell.id], build)
        yield Option("numa", f"node,nodeid={cell.id}{cpus}{initiator},{memory}")
    yield from _distances(domain.cells)
    yield from _hmat(domain)


def _distances(cells: tuple[Cell, ...]) -> Iterator[Part]:
    """From each node to each, when what is told is not just the usual: QEMU wants to know all of them."""
    usual = {
        (here.id, there.id): LOCAL if here is there else REMOTE
        for here, there in itertools.product(cells, repeat=2)
    }
    given: dict[tuple[int | None, int | None], int] = {
        (cell.id, sibling.id): sibling.value
        for cell in cells
        for sibling in (cell.distances.siblings if cell.distances else ())
    }
    told = {cell.id for cell in cells if cell.distances}
    if all(given.get(pair) == value for pair, value in usual.items() if pair[0] in told):
        return
    for (here, there), value in usual.items():
        yield Option("numa", f"dist,src={here},dst={there},val={given.get((here, there), value)}")


def _on_its_nodes(backend: Object, build: Build) -> Iterator[Part]:
    """Threads that touch its pages at the start run on the host's nodes where they are to be."""
    nodes = backend.props.get("host-nodes")
    if not (nodes and backend.props.get("prealloc") and build.caps.version >= THREAD_CONTEXT):
        yield backend
        return
    context = f"tc-{backend.id}"
    yield Object("thread-context", context, {"node-affinity": nodes})
    yield Object(backend.type, backend.id, {**backend.props, "prealloc-context": context})


def _is_plain(backend: Object) -> bool:
    """Whether a size says as much: old machines keep to that, for the sake of migration."""
    return backend.type == "memory-backend-ram" and backend.props.keys() <= {"size", "prealloc"}


def _initiators(domain: Domain) -> dict[int, int]:
    """For ACPI HMAT: the node with CPUs that is nearest to each, by the latencies and bandwidths told."""
    numa = domain.cpu.numa if domain.cpu else None
    if numa is None or not (numa.interconnects or any(cell.caches for cell in numa.cells)):
        return {}
    found: dict[int, int] = {}
    links = numa.interconnects
    near = sorted(links.latencies, key=lambda each: each.value) if links else []
    wide = sorted(links.bandwidths, key=lambda each: -each.value) if links else []
    nearest: list[Latency | Bandwidth] = [*near, *wide]
    for link in nearest:
        if link.cache is None:
            found.setdefault(link.target, link.initiator)
    first = next((cell.id or 0 for cell in numa.cells if cell.cpus), 0)
    for cell in numa.cells:
        number = cell.id or 0
        found[number] = number if cell.cpus else found.get(number, first)
    return found


def _hmat(domain: Domain) -> Iterator[Part]:
    numa = domain.cpu.numa if domain.cpu else None
    if numa is None:
        return
    links = numa.interconnects
    for latency in links.latencies if links else ():
        what = _link(latency.cache, latency.type, "latency")
        ends = f"initiator={latency.initiator},target={latency.target}"
        yield Option("numa", f"hmat-lb,{ends},{what},latency={latency.value}")
    for width in links.bandwidths if links else ():
        what = _link(width.cache, width.type, "bandwidth")
        ends = f"initiator={width.initiator},target={width.target}"
        yield Option("numa", f"hmat-lb,{ends},{what},bandwidth={width.value}K")
    for cell in numa.cells:
        for cache in sorted(cell.caches, key=lambda each: each.level):
            yield Option("numa", f"hmat-cache,node-id={cell.id},{_cache(cache)}")


def _link(cache: int | None, kind: str, what: str) -> str:
    return f"hierarchy={LEVELS[cache or 0]},data-type={kind}-{what}"


def _cache(cache: MemoryCache) -> str:
    units = {"B": 1, "KiB": _KIB, "MiB": _MIB, "GiB": _KIB * _MIB}
    size = cache.size.value * units.get(cache.size.unit, _KIB) // _KIB
    line = cache.line.value * units.get(cache.line.unit, 1)
    associativity, policy = ASSOCIATIVITY[cache.associativity], POLICY[cache.policy]
    words = f"associativity={associativity},policy={policy}"
    return f"size={size}K,level={cache.level},{words},line={line}"


def _backend(build: Build, id_: str, size: int, cell: Cell | None) -> Object:
    """The kind of a backend follows from who else may see it, and from its pages."""
    domain, backing = build.domain, build.domain.memory_backing
    page = _page_size(domain, cell)
    access = cell.access if cell else None
    access = access or (backing.access.mode if backing and backing.access else None)
    source = backing.source.type if backing and backing.source else None
    now = backing is not None and backing.allocation is not None and backing.allocation.mode == "immediate"
    props: dict[str, Any] = {}
    if source == "memfd":
        kind = "memory-backend-memfd"
        if page is not None:
            props |= {"hugetlb": True, "hugetlbsize": page * _KIB} if page else {"hugetlb": True}
    elif page is not None or source == "file" or access:
        kind = "memory-backend-file"
        plain = str(Path(build.run.ram_path) / id_)
        props["mem-path"] = plain if page is None else _huge_path(build, page)
        if cell and cell.discard is not None:
            props["discard-data"] = cell.discard
        elif backing and backing.discard:
            props["discard-data"] = True
    else:
        kind = "memory-backend-ram"
    if access:
        props["share"] = access == "shared"
    if kind != "memory-backend-ram" and cell is None:
        props["x-use-canonical-path-for-ramblock-id"] = False
    if now or page is not None:
        props["prealloc"] = True
    if backing and backing.allocation and backing.allocation.threads:
        props["prealloc-threads"] = backing.allocation.threads
    return Object(kind, id_, {**props, "size": size, **_policy(domain, cell)})


def _page_size(domain: Domain, cell: Cell | None) -> int | None:
    """KiB of the huge pages behind a node; 0 for the host's default, None for ordinary pages."""
    backing = domain.memory_backing
    if backing is None or backing.hugepages is None:
        return None
    pages, number = backing.hugepages.pages, (cell.id or 0) if cell else 0
    if not pages:
        return 0
    own = (page.size for page in pages if page.nodeset is not None and number in members(page.nodeset))
    others = (page.size for page in pages if page.nodeset is None)
    size = next(itertools.chain(own, others), None)
    return None if size == ORDINARY else size


def _huge_path(build: Build, size: int) -> str:
    """A directory in the hugetlbfs of that page size. Raises InternalError without one."""
    found = build.run.huge_page_dirs.get(size)
    if found is None:
        if build.run.huge_page_dirs:
            text = f"Unable to find any usable hugetlbfs mount for {size} KiB"
        else:
            text = "hugetlbfs filesystem is not mounted or disabled by administrator config"
        raise InternalError(text, virdomain=VIR_FROM_QEMU)
    return found


def _policy(domain: Domain, cell: Cell | None) -> dict[str, Any]:
    tune = domain.numatune
    if tune is None:
        return {}
    nodes = {node.cellid: (node.mode, node.nodeset) for node in tune.nodes}
    memory = (tune.memory.mode, tune.memory.nodeset) if tune.memory else (None, None)
    mode, nodeset = nodes.get(cell.id or 0, memory) if cell else memory
    if not nodeset or mode not in POLICIES:
        return {}
    return {"host-nodes": list(members(nodeset)), "policy": POLICIES[mode]}
