"""vCPUs one by one, I/O threads, pinning, labels."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpuset import HIGHEST, members, size
from embervirt.drivers.qemu.model.memory import MemoryBacking, SingleVcpu, Vcpu, Vcpus
from embervirt.drivers.qemu.model.tuning import (
    BlkioTune,
    CpuTune,
    DefaultIoThread,
    IoThreadIds,
    IoThreadSched,
    Label,
    MemTune,
    NumaMemory,
    NumaTune,
    Resource,
    VcpuSched,
)
from embervirt.drivers.xml import replace
from embervirt.errors import ConfigUnsupported, XmlError


def complete(domain: Domain) -> Domain:
    """All of it; what is empty goes."""
    vcpu, single = _vcpus(domain.vcpu, domain.single_vcpus)
    memory = domain.numatune.memory if domain.numatune else None
    auto = memory is not None and memory.placement == "auto" and not vcpu.cpuset
    vcpu = replace(vcpu, placement="auto" if auto else vcpu.placement or "static")
    threads = domain.iothreads
    backing = domain.memory_backing
    main = domain.default_iothread
    return replace(
        domain,
        vcpu=vcpu,
        single_vcpus=single,
        iothread_count=len(threads) or None,
        iothread_ids=IoThreadIds(iothreads=threads) if domain.iothread_ids and threads else None,
        default_iothread=None if main == DefaultIoThread() else main,
        blkiotune=None if domain.blkiotune == BlkioTune() else domain.blkiotune,
        memtune=None if domain.memtune == MemTune() else domain.memtune,
        memory_backing=None if backing == MemoryBacking() else backing,
        cputune=_cputune(domain.cputune, vcpu.count),
        numatune=_numatune(domain.numatune, vcpu),
        resource=None if domain.resource == Resource() else domain.resource,
        labels=_labels(domain.labels),
    )


def _vcpus(vcpu: Vcpu, single: Vcpus | None) -> tuple[Vcpu, Vcpus | None]:
    """The list is the truth about which run; those it leaves out do not, and can be plugged."""
    if single is None or not single.vcpus:
        current = vcpu.current if vcpu.current != vcpu.count else None
        return replace(vcpu, current=current), None
    if vcpu.count > HIGHEST + 1:
        raise ConfigUnsupported(f"{vcpu.count} vCPUs; at most {HIGHEST + 1} can be told one by one")
    given = {each.id: each for each in single.vcpus}
    listed = [given.get(n, SingleVcpu(id=n, enabled=False)) for n in range(vcpu.count)]
    known = tuple(replace(each, hotpluggable=_pluggable(each)) for each in listed)
    beyond = tuple(each for each in single.vcpus if each.id >= vcpu.count)
    running = sum(each.enabled for each in known)
    current = running if running != vcpu.count else None
    return replace(vcpu, current=current or (None if running else vcpu.current)), Vcpus(
        vcpus=(*known, *beyond)
    )


def _pluggable(vcpu: SingleVcpu) -> bool:
    return not vcpu.enabled if vcpu.hotpluggable is None else vcpu.hotpluggable


def _cputune(tune: CpuTune | None, vcpus: int) -> CpuTune | None:
    """Pins of vCPUs that do not exist go, as in libvirt; the rest in the order of the numbers."""
    if tune is None:
        return None
    pins = tuple(pin for pin in tune.vcpu_pins if pin.vcpu < vcpus)
    done = replace(
        tune,
        vcpu_pins=tuple(sorted(pins, key=lambda pin: pin.vcpu)),
        iothread_pins=tuple(sorted(tune.iothread_pins, key=lambda pin: pin.iothread)),
        vcpu_scheds=_each_vcpu(tune.vcpu_scheds),
        iothread_scheds=_each_thread(tune.iothread_scheds),
    )
    return None if done == CpuTune() else done


def _each_vcpu(scheds: tuple[VcpuSched, ...]) -> tuple[VcpuSched, ...]:
    """An element for each vCPU."""
    numbers = _bounded([each.vcpus for each in scheds])
    single = [replace(each, vcpus=str(n)) for each, own in zip(scheds, numbers, strict=True) for n in own]
    return tuple(sorted(single, key=lambda each: int(each.vcpus)))


def _each_thread(scheds: tuple[IoThreadSched, ...]) -> tuple[IoThreadSched, ...]:
    numbers = _bounded([each.iothreads for each in scheds])
    single = [replace(each, iothreads=str(n)) for each, own in zip(scheds, numbers, strict=True) for n in own]
    return tuple(sorted(single, key=lambda each: int(each.iothreads)))


def _bounded(sets: list[str]) -> list[tuple[int, ...]]:
    """More numbers than there can be in a set are some of them twice, and not worth to be told apart."""
    if sum(map(size, sets)) > HIGHEST + 1:
        raise XmlError("vcpusched/iothreadsched attributes must not overlap")
    return list(map(members, sets))


def _numatune(tune: NumaTune | None, vcpu: Vcpu) -> NumaTune | None:
    """vCPUs that are placed automatically take their memory along."""
    memory = tune.memory if tune else None
    if memory is not None:
        placement = None if memory.placement == "static" and memory.nodeset else memory.placement
        auto = placement == "auto" or (placement is None and not memory.nodeset and vcpu.placement == "auto")
        memory = replace(memory, mode=memory.mode or "strict", placement="auto" if auto else placement)
        if auto:
            memory = replace(memory, nodeset=None)
    elif vcpu.placement == "auto" and not (tune and tune.nodes):
        memory = NumaMemory(mode="strict", placement="auto")
    nodes = tune.nodes if tune else ()
    nodes = tuple(replace(node, mode=node.mode or "strict") for node in nodes)
    ordered = tuple(sorted(nodes, key=lambda node: node.cellid))
    return NumaTune(memory=memory, nodes=ordered) if memory or nodes else None


def _labels(labels: tuple[Label, ...]) -> tuple[Label, ...]:
    return tuple(done for label in labels if (done := _label(label)) is not None)


def _label(label: Label) -> Label | None:
    """libvirt's defaults; one that says nothing is dropped."""
    kind = label.type or "dynamic"
    if kind == "none" or label.model is None:
        return Label(type="none", model=label.model or "none")
    if kind == "static":
        return replace(label, type="static", relabel=bool(label.relabel), imagelabel=None)
    if label.relabel is False and not label.baselabel:
        return None
    return replace(label, type="dynamic", relabel=True, imagelabel=None)
