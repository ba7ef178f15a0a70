"""vCPUs one by one, I/O threads, pinning, labels."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpuset import HIGHEST, members, size
from embervirt.drivers.qemu.model.memory import Allocation, MemoryBacking, SingleVcpu, Vcpu, Vcpus
from embervirt.drivers.qemu.model.tuning import (
    BlkioDevice,
    BlkioTune,
    CpuTune,
    DefaultIoThread,
    EmulatorSched,
    IdMap,
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
from embervirt.errors import ConfigUnsupported, XmlDetail, XmlError

LIMITS = (
    *("period", "global_period", "emulator_period", "iothread_period"),
    *("quota", "global_quota", "emulator_quota", "iothread_quota"),
)
"""Of ``<cputune>``: those that are as good as absent when they are 0."""

REAL_TIME = ("fifo", "rr")
"""Schedulers with a priority."""


def complete(domain: Domain) -> Domain:
    """All of it; what is empty goes."""
    vcpu, single = _vcpus(domain.vcpu, domain.single_vcpus)
    memory = domain.numatune.memory if domain.numatune else None
    auto = memory is not None and memory.placement == "auto" and not vcpu.cpuset
    placement = "auto" if auto else vcpu.placement or "static"
    vcpu = replace(vcpu, placement=placement, cpuset=None if placement == "auto" else vcpu.cpuset)
    threads = domain.iothreads
    listed = domain.iothread_ids is not None and domain.iothread_ids.iothreads
    main = domain.default_iothread
    return replace(
        domain,
        vcpu=vcpu,
        single_vcpus=single,
        iothread_count=len(threads) or None,
        iothread_ids=IoThreadIds(iothreads=threads) if listed else None,
        default_iothread=None if main == DefaultIoThread() else main,
        blkiotune=_blkiotune(domain.blkiotune),
        memtune=None if domain.memtune == MemTune() else domain.memtune,
        memory_backing=_backing(domain.memory_backing, bool(domain.cells)),
        cputune=_cputune(domain.cputune, vcpu.count),
        numatune=_numatune(domain.numatune, vcpu),
        resource=_resource(domain.resource),
        labels=_labels(domain.labels),
        idmap=_idmap(domain.idmap),
    )


def _blkiotune(tune: BlkioTune | None) -> BlkioTune | None:
    """Without limits of 0, which are none, and without devices that have none."""
    if tune is None:
        return None
    devices = (_limits(device) for device in tune.devices)
    kept = tuple(device for device in devices if device != BlkioDevice(path=device.path))
    tune = BlkioTune(weight=tune.weight or None, devices=kept)
    return None if tune == BlkioTune() else tune


def _limits(device: BlkioDevice) -> BlkioDevice:
    given: dict[str, Any] = {item.name: getattr(device, item.name) or None for item in fields(device)}
    return BlkioDevice(**{**given, "path": device.path})


def _backing(backing: MemoryBacking | None, nodes: bool) -> MemoryBacking | None:
    """Without what says nothing; the only node of a guest without ``nodes`` need not be named."""
    if backing is None:
        return None
    source, access, allocation = backing.source, backing.access, backing.allocation
    if allocation and not allocation.threads:
        allocation = replace(allocation, threads=None)
    pages = backing.hugepages
    if pages and not nodes:
        bare = (replace(page, nodeset=None if page.nodeset == "0" else page.nodeset) for page in pages.pages)
        pages = replace(pages, pages=tuple(bare))
    done = replace(
        backing,
        hugepages=pages,
        source=source if source and source.type else None,
        access=access if access and access.mode else None,
        allocation=None if allocation == Allocation() else allocation,
    )
    return None if done == MemoryBacking() else done


def _idmap(idmap: IdMap | None) -> IdMap | None:
    """In the order of their beginnings."""
    if idmap is None or idmap == IdMap():
        return None
    uids, gids = (tuple(sorted(each, key=lambda span: span.start)) for each in (idmap.uids, idmap.gids))
    return IdMap(uids=uids, gids=gids)


def _resource(resource: Resource | None) -> Resource | None:
    channel = resource.fibre_channel if resource else None
    if resource is None or (channel and channel.appid):
        return resource
    return Resource(partition=resource.partition) if resource.partition else None


def _vcpus(vcpu: Vcpu, single: Vcpus | None) -> tuple[Vcpu, Vcpus | None]:
    """The list is the truth about which run; those it leaves out do not, and can be plugged."""
    if single is None or not single.vcpus:
        current = vcpu.current if vcpu.current != vcpu.count else None
        return replace(vcpu, current=current), None
    if vcpu.count > HIGHEST + 1:
        raise ConfigUnsupported(f"{vcpu.count} vCPUs; at most {HIGHEST + 1} can be told one by one")
    given = {each.id: each for each in single.vcpus}
    listed = [given.get(n, SingleVcpu(id=n, enabled=False)) for n in range(vcpu.count)]
    known = tuple(replace(each, hotpluggable=_pluggable(each), order=each.order or None) for each in listed)
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
    limits: dict[str, Any] = {name: getattr(tune, name) or None for name in LIMITS}
    done = replace(
        tune,
        **limits,
        vcpu_pins=tuple(sorted(pins, key=lambda pin: pin.vcpu)),
        iothread_pins=tuple(sorted(tune.iothread_pins, key=lambda pin: pin.iothread)),
        vcpu_scheds=_each_vcpu(tune.vcpu_scheds),
        iothread_scheds=_each_thread(tune.iothread_scheds),
        emulator_scheds=tuple(replace(each, priority=_priority(each)) for each in tune.emulator_scheds),
    )
    return None if done == CpuTune() else done


def _priority(sched: VcpuSched | IoThreadSched | EmulatorSched) -> int | None:
    return sched.priority if sched.scheduler in REAL_TIME else None


def _each_vcpu(scheds: tuple[VcpuSched, ...]) -> tuple[VcpuSched, ...]:
    """An element for each vCPU."""
    numbers = _bounded([each.vcpus for each in scheds])
    single = [
        replace(each, vcpus=str(n), priority=_priority(each))
        for each, own in zip(scheds, numbers, strict=True)
        for n in own
    ]
    return tuple(sorted(single, key=lambda each: int(each.vcpus)))


def _each_thread(scheds: tuple[IoThreadSched, ...]) -> tuple[IoThreadSched, ...]:
    numbers = _bounded([each.iothreads for each in scheds])
    single = [
        replace(each, iothreads=str(n), priority=_priority(each))
        for each, own in zip(scheds, numbers, strict=True)
        for n in own
    ]
    return tuple(sorted(single, key=lambda each: int(each.iothreads)))


def _bounded(sets: list[str]) -> list[tuple[int, ...]]:
    """More numbers than there can be in a set are some of them twice, and not worth to be told apart."""
    if sum(map(size, sets)) > HIGHEST + 1:
        raise XmlDetail("vcpusched/iothreadsched attributes must not overlap")
    return list(map(members, sets))


def _numatune(tune: NumaTune | None, vcpu: Vcpu) -> NumaTune | None:
    """vCPUs that are placed automatically take their memory along."""
    memory = tune.memory if tune and tune.memory != NumaMemory() else None
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
    for label in labels:
        _check_label(label)
    if len(labels) > len({label.model for label in labels}):
        raise XmlDetail("seclabel for one model is provided twice")
    if len(labels) > 1 and any(label.model is None for label in labels):
        raise XmlError("missing security model when using multiple labels")
    return tuple(done for label in labels if (done := _label(label)) is not None)


def _check_label(label: Label) -> None:
    """Here, for what is wrong in one that is dropped is an error too."""
    if label.type == "dynamic" and label.relabel is False:
        raise ConfigUnsupported("dynamic label type must use resource relabeling")
    if label.type == "none" and label.relabel:
        raise ConfigUnsupported("resource relabeling is not compatible with 'none' label type")
    if label.type == "static" and label.model != "none" and not label.label:
        raise XmlError("security label is missing")
    if label.model is None and label.type != "none" and (label.type != "dynamic" or label.baselabel):
        raise XmlError("missing security model in domain seclabel")


def _label(label: Label) -> Label | None:
    """libvirt's defaults; one without a type says nothing."""
    if label.type == "none" or label.model in (None, "none"):
        return Label(type="none", model=label.model or "none")
    if label.type == "static":
        return replace(label, relabel=bool(label.relabel), imagelabel=None, baselabel=None)
    if label.type is None:
        return None
    return replace(label, relabel=True, label=None, imagelabel=None)
