"""The processor: counts, topology, caches, features, nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpu import Cpu
from embervirt.drivers.qemu.model.cpuset import members
from embervirt.drivers.qemu.model.memory import SingleVcpu
from embervirt.drivers.qemu.model.numa import Bandwidth, Cell, Latency
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, InternalError, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

MODES = {"emulate": (3,), "passthrough": (None,), "disable": (None,)}
"""Levels of cache that each mode can have."""

XAPIC = 255
"""So many CPUs can be reached by interrupts without an IOMMU that remaps them."""

HOST = ("host-passthrough", "maximum")


def check(domain: Domain, caps: Capabilities) -> None:
    """Everything that does not depend on what the host's CPU can do."""
    _vcpus(domain, caps)
    _single(domain)
    _nodes(domain)
    if domain.cpu:
        _cpu(domain.cpu)


def _vcpus(domain: Domain, caps: Capabilities) -> None:
    vcpu = domain.vcpu
    if vcpu.current == 0 and vcpu.count:
        raise ConfigUnsupported("vcpu 0 can't be offline")
    if not vcpu.count:
        raise InternalError("a domain has at least one vCPU; <vcpu> says 0")
    if vcpu.current is not None and vcpu.current > vcpu.count:
        raise ConfigUnsupported("maximum vCPU count must not be less than current vCPU count")
    most = caps.machines[domain.os.type.machine or ""].max_cpus
    if vcpu.count > most:
        raise ConfigUnsupported(f"Maximum CPUs greater than specified machine type limit {most}")
    if vcpu.count > XAPIC:
        text = f"more than {XAPIC} vCPUs require extended interrupt mode enabled on the iommu device"
        raise ConfigUnsupported(text)
    topology = domain.cpu.topology if domain.cpu else None
    if topology and topology.clusters:
        raise ConfigUnsupported("CPU clusters are not supported by this machine type; expected clusters='1'")
    if topology and topology.cpus != vcpu.count:
        raise ConfigUnsupported(
            f"CPU topology doesn't match maximum vcpu count: {topology.cpus} CPUs, <vcpu> has {vcpu.count}"
        )


def _single(domain: Domain) -> None:
    listed = domain.single_vcpus.vcpus if domain.single_vcpus else ()
    beyond = next((each.id for each in listed if each.id >= domain.vcpu.count), None)
    if beyond is not None:
        raise XmlError(f"vcpu id '{beyond}' is out of range of maximum vcpu count")
    for each in listed:
        if each.id == 0 and not each.enabled:
            raise ConfigUnsupported("vcpu 0 can't be offline")
        if each.id == 0 and each.hotpluggable:
            raise ConfigUnsupported("vcpu0 can't be hotpluggable")
        if not each.enabled and not each.hotpluggable:
            raise ConfigUnsupported("offline vcpu must be hotpluggable")
    twice = repeated([each.id for each in listed])
    if twice is not None:
        raise XmlError(f"vcpu id '{twice}' is used more than once")
    _order([each for each in listed if each.enabled])


def _order(running: list[SingleVcpu]) -> None:
    """Those that can be unplugged come last; either all say when they were plugged, or none."""
    if len({each.order is None for each in running}) > 1:
        raise ConfigUnsupported("all vcpus must have either set or unset order")
    if running and (running[0].order or 1) != 1:
        raise ConfigUnsupported("vcpu0 must be enabled first")
    pluggable = [bool(each.hotpluggable) for each in running]
    if pluggable != sorted(pluggable):
        raise ConfigUnsupported(
            "online non-hotpluggable vcpus need to be ordered prior to hotplugable vcpus"
        )


def _nodes(domain: Domain) -> None:
    count = sum(len(members(cell.cpus)) for cell in domain.cells if cell.cpus)
    if count > domain.vcpu.count:
        raise InternalError("Number of CPUs in <numa> exceeds the <vcpu> count")
    beyond = [n for cell in domain.cells if cell.cpus for n in members(cell.cpus) if n >= domain.vcpu.count]
    if beyond:
        raise InternalError("CPU IDs in <numa> exceed the <vcpu> count")
    numa = domain.cpu.numa if domain.cpu else None
    for cell in domain.cells:
        twice = repeated([cache.level for cache in cell.caches])
        if twice is not None:
            raise XmlError(f"Cache level '{twice}' already defined")
    links = numa.interconnects if numa else None
    _links(links.latencies if links else (), domain.cells)
    _links(links.bandwidths if links else (), domain.cells)


def _links(links: Sequence[Latency | Bandwidth], cells: tuple[Cell, ...]) -> None:
    for link in links:
        if max(link.initiator, link.target) >= len(cells):
            raise XmlError("'initiator' and 'target' of an interconnect must refer to existing NUMA nodes")
        if not cells[link.initiator].cpus:
            raise XmlError("NUMA nodes without CPUs can't be initiator")
        if link.cache and link.cache not in [cache.level for cache in cells[link.target].caches]:
            raise XmlError("'cache' refers to a non-existent NUMA node cache")
    if repeated([(link.initiator, link.target, link.cache, link.type) for link in links]):
        raise XmlError("Duplicate info for NUMA latencies")


def _cpu(cpu: Cpu) -> None:
    if cpu.migratable is not None and cpu.mode not in HOST:
        raise ConfigUnsupported(
            "Attribute migratable is only allowed for 'host-passthrough' / 'maximum' CPU mode"
        )
    twice = repeated([feature.name for feature in cpu.features])
    if twice is not None:
        raise XmlError(f"CPU feature '{twice}' specified more than once")
    if cpu.cache:
        _cache(cpu)
    size = cpu.maxphysaddr
    if size and size.mode == "passthrough" and size.bits is not None:
        text = "CPU maximum physical address bits number specification cannot be used with mode='passthrough'"
        raise ConfigUnsupported(text)
    if size and size.mode == "emulate" and size.bits is None:
        raise ConfigUnsupported(
            "if using CPU maximum physical address mode='emulate', bits= must be specified too"
        )


def _cache(cpu: Cpu) -> None:
    mode, level = (cpu.cache.mode, cpu.cache.level) if cpu.cache else ("", None)
    if mode == "passthrough" and cpu.mode not in HOST:
        raise ConfigUnsupported(
            "CPU cache mode 'passthrough' can only be used with 'host-passthrough' / 'maximum' CPUs"
        )
    if mode == "emulate" and level != 3:
        raise ConfigUnsupported("CPU cache mode 'emulate' can only be used with level='3'")
    if level not in MODES[mode]:
        raise ConfigUnsupported(f"unsupported CPU cache level for mode '{mode}'")
