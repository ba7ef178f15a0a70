"""The processor: counts, topology, caches, features, nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpu import Cpu
from embervirt.drivers.qemu.model.cpuset import members
from embervirt.drivers.qemu.model.numa import Bandwidth, Latency
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, InternalError, XmlError

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

MODES = {"emulate": (3,), "passthrough": (None,), "disable": (None,)}
"""Levels of cache that each mode can have."""

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
    if vcpu.current is not None and vcpu.current > vcpu.count:
        raise ConfigUnsupported("maximum vCPU count must not be less than current vCPU count")
    most = caps.machines[domain.os.type.machine or ""].max_cpus
    if vcpu.count > most:
        raise ConfigUnsupported(f"Maximum CPUs greater than specified machine type limit {most}")
    topology = domain.cpu.topology if domain.cpu else None
    if topology and topology.clusters:
        raise ConfigUnsupported("CPU clusters are not supported by this machine type; expected clusters='1'")
    if topology and topology.cpus != vcpu.count:
        raise ConfigUnsupported(
            f"CPU topology doesn't match maximum vcpu count: {topology.cpus} CPUs, <vcpu> has {vcpu.count}"
        )


def _single(domain: Domain) -> None:
    listed = domain.single_vcpus.vcpus if domain.single_vcpus else ()
    for each in listed:
        if each.id >= domain.vcpu.count:
            raise XmlError(f"vcpu id '{each.id}' is out of range of maximum vcpu count")
        if each.id == 0 and not each.enabled:
            raise ConfigUnsupported("vcpu 0 can't be offline")
        if each.id == 0 and each.hotpluggable:
            raise ConfigUnsupported("vcpu0 can't be hotpluggable")
        if not each.enabled and not each.hotpluggable:
            raise ConfigUnsupported("offline vcpu must be hotpluggable")
    twice = repeated([each.id for each in listed])
    if twice is not None:
        raise XmlError(f"vcpu id '{twice}' is used more than once")


def _nodes(domain: Domain) -> None:
    count = sum(len(members(cell.cpus)) for cell in domain.cells if cell.cpus)
    if count > domain.vcpu.count:
        raise InternalError("Number of CPUs in <numa> exceeds the <vcpu> count")
    beyond = [n for cell in domain.cells if cell.cpus for n in members(cell.cpus) if n >= domain.vcpu.count]
    if beyond:
        raise InternalError("CPU IDs in <numa> exceed the <vcpu> count")
    numa = domain.cpu.numa if domain.cpu else None
    links = numa.interconnects if numa else None
    told: list[Latency | Bandwidth] = [*links.latencies, *links.bandwidths] if links else []
    for link in told:
        if max(link.initiator, link.target) >= len(domain.cells):
            raise XmlError("'initiator' and 'target' of an interconnect must refer to existing NUMA nodes")


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
    if size and size.mode == "passthrough" and cpu.mode not in HOST:
        raise ConfigUnsupported(
            "CPU maximum physical address bits mode 'passthrough' can only be used with"
            " 'host-passthrough' / 'maximum' CPUs"
        )
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
