"""Numbers of the host, from /proc and /sys. Memory is KiB unless a name says otherwise."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from embervirt.drivers.qemu.model.cpuset import members
from embervirt.errors import InternalError, InvalidArgument

NODES = Path("/sys/devices/system/node")
CPUS = Path("/sys/devices/system/cpu")
MEMINFO = Path("/proc/meminfo")
STAT = Path("/proc/stat")
ALL = -1
"""``VIR_NODE_CPU_STATS_ALL_CPUS``, ``VIR_NODE_MEMORY_STATS_ALL_CELLS``."""

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def read(path: Path, default: str = "") -> str:
    """A file of sysfs without its newline; ``default`` when this host has none."""
    try:
        return path.read_text().strip()
    except OSError:
        return default


@dataclass(frozen=True)
class Cpu:
    """``siblings``: threads of its core, as libvirt's set."""

    id: int
    socket: int
    die: int
    core: int
    siblings: str


@dataclass(frozen=True)
class Cell:
    """A NUMA node. ``pages``: how many of each size (KiB) it has; ``distances`` to each node."""

    id: int
    memory: int
    cpus: tuple[int, ...]
    pages: dict[int, int]
    distances: dict[int, int]


def nodes() -> tuple[int, ...]:
    """The host's NUMA nodes; one without them is node 0."""
    return members(read(NODES / "online", "0"))


def online() -> tuple[int, ...]:
    """CPUs that run."""
    return members(read(CPUS / "online", "0"))


def present() -> tuple[int, ...]:
    """CPUs that are there."""
    return members(read(CPUS / "present", "0"))


def cpu(number: int) -> Cpu:
    """Where a CPU sits."""
    place = CPUS / f"cpu{number}/topology"
    siblings = read(place / "thread_siblings_list", str(number))
    package, core = int(read(place / "physical_package_id", "0")), int(read(place / "core_id", "0"))
    return Cpu(number, max(0, package), max(0, int(read(place / "die_id", "0"))), core, siblings)


def cells() -> tuple[Cell, ...]:
    """Every NUMA node with memory or CPUs."""
    return tuple(map(_cell, nodes()))


def _cell(number: int) -> Cell:
    place = NODES / f"node{number}"
    memory = meminfo(number).get("MemTotal", 0)
    cpus = read(place / "cpulist") if place.is_dir() else read(CPUS / "online", "0")
    distances = [int(word) for word in read(place / "distance", "10").split()]
    huge = {size: count for size, (count, _) in huge_pages(number).items()}
    base = os.sysconf("SC_PAGE_SIZE") // 1024
    reserved = sum(size * count for size, count in huge.items())
    pages = {base: (memory - reserved) // base, **huge}
    far = dict(zip(nodes(), distances, strict=False))
    return Cell(number, memory, members(cpus) if cpus else (), pages, far)


def huge_pages(number: int) -> dict[int, tuple[int, int]]:
    """Of a node, by KiB of a page: how many there are, how many are free."""
    place = NODES / f"node{number}/hugepages"
    if not place.is_dir():
        place = Path("/sys/kernel/mm/hugepages")
    found = sorted(place.glob("hugepages-*kB")) if place.is_dir() else []
    sizes = {int(path.name.removeprefix("hugepages-").removesuffix("kB")): path for path in found}
    counts = ("nr_hugepages", "free_hugepages")
    return {
        size: (int(read(path / counts[0], "0")), int(read(path / counts[1], "0")))
        for size, path in sorted(sizes.items())
    }


def meminfo(number: int = ALL) -> dict[str, int]:
    """The lines of meminfo, of one node or of all."""
    text = read(MEMINFO if number == ALL else NODES / f"node{number}/meminfo")
    if not text and number == 0:
        text = read(MEMINFO)
    words = (line.removeprefix(f"Node {number} ").split() for line in text.splitlines())
    return {each[0].rstrip(":"): int(each[1]) for each in words if len(each) > 1}


def cpu_stats(number: int = ALL) -> dict[str, int]:
    """Nanoseconds in the kernel, of programs, idle, waiting. Raises InvalidArgument for no such CPU."""
    wanted = "cpu" if number == ALL else f"cpu{number}"
    lines = (line.split() for line in STAT.read_text().splitlines())
    found = next((each for each in lines if each[0] == wanted), None)
    if found is None or number < ALL:
        raise InvalidArgument(f"Invalid cpuNum in virHostCPUGetStatsLinux: {number}")
    user, nice, system, idle, iowait, irq, softirq = (int(word) * _TICK for word in found[1:8])
    return {"kernel": system + irq + softirq, "user": user + nice, "idle": idle, "iowait": iowait}


def memory_stats(number: int = ALL) -> dict[str, int]:
    """Total and free, and for the whole host buffers and cached. Raises InvalidArgument for no such node."""
    if number != ALL and number not in nodes():
        raise InvalidArgument(f"cellNum in virHostMemGetStats must be less than or equal to {nodes()[-1]}")
    seen = meminfo(number)
    found = {"total": seen["MemTotal"], "free": seen["MemFree"]}
    return found | ({"buffers": seen["Buffers"], "cached": seen["Cached"]} if number == ALL else {})


def free_memory(first: int, count: int) -> list[int]:
    """Bytes that are free in each of the nodes from ``first``. Raises InternalError, InvalidArgument."""
    known = nodes()
    if count <= 0:
        raise InvalidArgument(f"maxCells must be greater than zero, not {count}")
    if first not in known:
        raise InternalError(f"start cell {first} out of range ({known[0]}-{known[-1]})")
    wanted = [number for number in known if first <= number < first + count]
    return [meminfo(number)["MemFree"] * 1024 for number in wanted]


def topology() -> tuple[int, int, int, int]:
    """Sockets a node, dies a socket, cores a die, threads a core: libvirt's four numbers.

    A host that is not so regular is one socket with as many cores as it has CPUs.
    """
    found = [cpu(number) for number in online()]
    sockets = {each.socket for each in found}
    dies = {(each.socket, each.die) for each in found}
    cores = {(each.socket, each.die, each.core) for each in found}
    cells_ = max(1, len(nodes()))
    numbers = (max(1, len(sockets) // cells_), len(dies) // len(sockets), len(cores) // len(dies))
    threads = len(found) // len(cores)
    if numbers[0] * numbers[1] * numbers[2] * threads * cells_ != len(found):
        return 1, 1, len(found), 1
    return (*numbers, threads)
