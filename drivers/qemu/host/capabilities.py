"""``virConnectGetCapabilities``: the host, and the guests that it can have."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.cpu.decode import describe
from embervirt.drivers.qemu.cpu.host import CPUINFO, PhysicalCpu, physical
from embervirt.drivers.qemu.cpu.map import cpu_map
from embervirt.drivers.qemu.host import node as host
from embervirt.drivers.qemu.host.tree import Node, leaf, node, text_of, yes
from embervirt.drivers.qemu.model.cpuset import members
from embervirt.drivers.qemu.model.cpuset import text_of as span

PRODUCT_UUID, MACHINE_ID = Path("/sys/class/dmi/id/product_uuid"), Path("/etc/machine-id")
IOMMU, POWER = Path("/sys/kernel/iommu_groups"), Path("/sys/power")
SLEEP = {"mem": "suspend_mem", "disk": "suspend_disk"}
BITS = {"x86_64": 64, "i686": 32}


def capabilities(guests: Iterable[Capabilities]) -> str:
    """The XML; ``guests``: what each emulator of this host can do."""
    return text_of(node("capabilities", {}, _host(), *map(_guest, guests)))


def _host() -> Node:
    transports = (leaf("uri_transport", word) for word in ("tcp", "rdma"))
    return node(
        "host",
        {},
        leaf("uuid", host_uuid()),
        _cpu(),
        node("power_management", {}, *map(node, _sleep())),
        node("iommu", {"support": yes(IOMMU.is_dir() and any(IOMMU.iterdir()))}),
        node("migration_features", {}, node("live"), node("uri_transports", {}, *transports)),
        _topology(),
        _cache(),
        _security(),
    )


def host_uuid() -> str:
    """Of the board, else made of the machine's id: the same at every call."""
    for text in (host.read(PRODUCT_UUID), host.read(MACHINE_ID)):
        try:
            return str(uuid.UUID(text))
        except ValueError:
            continue
    return str(uuid.UUID(int=uuid.getnode()))


def _sleep() -> Iterator[str]:
    words = host.read(POWER / "state").split()
    yield from (tag for word, tag in SLEEP.items() if word in words)


def _cpu() -> Node:
    own = physical()
    sockets, dies, cores, threads = host.topology()
    place = {"sockets": sockets, "dies": dies, "cores": cores, "threads": threads}
    base = os.sysconf("SC_PAGE_SIZE") // 1024
    sizes = (base, *host.huge_pages(0))
    pages = (node("pages", {"unit": "KiB", "size": size}) for size in sizes)
    known = _identity(own) if own else []
    before = [each for each in known if each.tag != "feature"]
    after = [each for each in known if each.tag == "feature"]
    arch = leaf("arch", os.uname().machine)
    bits = re.search(r"address sizes\s*: (\d+) bits physical", host.read(CPUINFO))
    size = node("maxphysaddr", {"mode": "emulate", "bits": bits[1]}) if bits else None
    return node("cpu", {}, arch, *before, node("topology", place), size, *after, *pages)


def _identity(own: PhysicalCpu) -> list[Node]:
    vendor = cpu_map().vendor(own.vendor)
    every = dict.fromkeys(cpu_map().models, frozenset[str]())
    signature = own.family, own.model, own.stepping
    found = describe(own.features, vendor, signature, every, host=True)
    if found is None:
        return []
    numbers = {"family": own.family, "model": own.model, "stepping": own.stepping}
    return [
        leaf("model", found.model),
        *([leaf("vendor", vendor)] if vendor else []),
        node("microcode", {"version": own.microcode}),
        node("signature", numbers),
        *(node("feature", {"name": name}) for name in found.require),
    ]


def _topology() -> Node:
    cells = host.cells()
    return node("topology", {}, node("cells", {"num": len(cells)}, *map(_cell, cells)))


def _cell(cell: host.Cell) -> Node:
    pages = (leaf("pages", count, {"unit": "KiB", "size": size}) for size, count in cell.pages.items())
    siblings = (node("sibling", {"id": other, "value": far}) for other, far in cell.distances.items())
    cpus = map(_place, map(host.cpu, cell.cpus))
    return node(
        "cell",
        {"id": cell.id},
        leaf("memory", cell.memory, {"unit": "KiB"}),
        *pages,
        node("distances", {}, *siblings),
        node("cpus", {"num": len(cell.cpus)}, *cpus),
    )


def _place(cpu: host.Cpu) -> Node:
    ids = {"id": cpu.id, "socket_id": cpu.socket, "die_id": cpu.die, "core_id": cpu.core}
    return node("cpu", {**ids, "siblings": cpu.siblings})


def _cache() -> Node | None:
    """Caches of the third level, which guests can be given parts of."""
    banks: dict[tuple[str, str], Node] = {}
    for number in host.online():
        for place in sorted((host.CPUS / f"cpu{number}/cache").glob("index*")):
            level, shared = host.read(place / "level"), host.read(place / "shared_cpu_list")
            kib = int(host.read(place / "size", "0K").rstrip("K") or 0)
            if level != "3" or not kib:
                continue
            size, unit = (kib // 1024, "MiB") if kib % 1024 == 0 else (kib, "KiB")
            id_, kind = host.read(place / "id", "0"), _KINDS.get(host.read(place / "type"), "both")
            given = {"id": id_, "level": level, "type": kind, "size": size, "unit": unit}
            banks[(id_, kind)] = node("bank", {**given, "cpus": span(members(shared))})
    return node("cache", {}, *banks.values()) if banks else None


_KINDS = {"Unified": "both", "Instruction": "code", "Data": "data"}


def _security() -> Node:
    return node("secmodel", {}, leaf("model", "none"), leaf("doi", 0))


def _guest(caps: Capabilities) -> Node:
    machines = [item for name in caps.machines if name != "none" for item in _machine(caps, name)]
    domains = [node("domain", {"type": "qemu"}), *([node("domain", {"type": "kvm"})] if caps.kvm else [])]
    arch = node(
        "arch",
        {"name": caps.arch},
        leaf("wordsize", BITS.get(caps.arch, 64)),
        leaf("emulator", caps.binary),
        *machines,
        *domains,
    )
    small = (node("pae"), node("nonpae")) if caps.arch == "i686" else ()
    features = node(
        "features",
        {},
        *small,
        node("acpi", {"default": "on", "toggle": "yes"}),
        node("apic", {"default": "on", "toggle": "no"}),
        node("cpuselection"),
        node("deviceboot"),
        node("disksnapshot", {"default": "on", "toggle": "no"}),
    )
    return node("guest", {}, leaf("os_type", "hvm"), arch, features)


def _machine(caps: Capabilities, name: str) -> Iterator[Node]:
    machine = caps.machines[name]
    old = {"deprecated": "yes"} if machine.deprecated else {}
    yield leaf("machine", name, {"maxCpus": machine.max_cpus, **old})
    if machine.alias:
        yield leaf("machine", machine.alias, {"canonical": name, "maxCpus": machine.max_cpus, **old})
