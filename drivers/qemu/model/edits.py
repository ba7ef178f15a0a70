"""Changes of a description by a call instead of XML: what each is, and what it makes of a domain (pure)."""

from __future__ import annotations

import msgspec

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import metadata
from embervirt.drivers.qemu.model.domain import Domain
from embervirt.drivers.qemu.model.memballoon import BalloonStats
from embervirt.drivers.qemu.model.memory import SingleVcpu
from embervirt.drivers.xml import replace
from embervirt.errors import InvalidArgument, OperationInvalid

DESCRIPTION, TITLE, ELEMENT = 0, 1, 2
"""``virDomainMetadataType``."""


class SetMemory(msgspec.Struct, frozen=True, tag=True, tag_field="edit"):
    """``kib`` for the guest; with ``maximum``, at most."""

    kib: int
    maximum: bool = False


class SetVcpus(msgspec.Struct, frozen=True, tag=True, tag_field="edit"):
    """``count`` at start; with ``maximum``, at most."""

    count: int
    maximum: bool = False


class SetStatsPeriod(msgspec.Struct, frozen=True, tag=True, tag_field="edit"):
    """Seconds between two fetches of the guest's memory statistics; 0 is never."""

    seconds: int


class SetMetadata(msgspec.Struct, frozen=True, tag=True, tag_field="edit"):
    """``type``: virDomainMetadataType; ``text`` None takes it away; ``key`` and ``uri``: of an element."""

    type: int
    text: str | None
    key: str = ""
    uri: str = ""


Edit = SetMemory | SetVcpus | SetStatsPeriod | SetMetadata


def edited(domain: Domain, edit: Edit) -> Domain:
    """The domain after it. Raises InvalidArgument, OperationInvalid, XmlDetail, as libvirt does."""
    match edit:
        case SetMemory():
            return _memory(domain, edit)
        case SetVcpus():
            return _vcpus(domain, edit)
        case SetStatsPeriod():
            return _period(domain, edit)
        case SetMetadata():
            return _metadata(domain, edit)


def check_memory(domain: Domain, kib: int) -> None:
    """Raises InvalidArgument for more than it can have."""
    if kib > domain.memory:
        text = f"cannot set memory higher than max memory: {kib} KiB of at most {domain.memory}"
        raise InvalidArgument(text, virdomain=VIR_FROM_QEMU)


def _memory(domain: Domain, edit: SetMemory) -> Domain:
    if edit.maximum:
        if domain.cpu is not None and domain.cpu.numa is not None:
            text = "initial memory size of a domain with NUMA nodes cannot be modified with this API"
            raise OperationInvalid(text, virdomain=VIR_FROM_QEMU)
        now = domain.current_memory
        return replace(domain, memory=edit.kib, current_memory=None if now is None else min(now, edit.kib))
    check_memory(domain, edit.kib)
    return replace(domain, current_memory=edit.kib)


def _vcpus(domain: Domain, edit: SetVcpus) -> Domain:
    if edit.maximum:
        _check_topology(domain, edit.count)
        return _with_vcpus(domain, edit.count, min(domain.vcpus, edit.count))
    if edit.count > domain.vcpu.count:
        text = "requested vcpus is greater than max allowable vcpus for the persistent domain"
        raise InvalidArgument(f"{text}: {edit.count} > {domain.vcpu.count}", virdomain=VIR_FROM_QEMU)
    return _with_vcpus(domain, domain.vcpu.count, edit.count)


def _with_vcpus(domain: Domain, most: int, now: int) -> Domain:
    """``most`` of them, the first ``now`` at start."""
    vcpu = replace(domain.vcpu, count=most, current=None if now == most else now)
    listed = domain.single_vcpus
    if listed is not None:
        known = {each.id: each for each in listed.vcpus}
        singles = [known.get(id_) or SingleVcpu(id=id_, enabled=False) for id_ in range(most)]
        chosen = tuple(replace(each, enabled=each.id < now) for each in singles)
        listed = replace(listed, vcpus=tuple(map(_pluggable, chosen)))
    return replace(domain, vcpu=vcpu, single_vcpus=listed)


def _pluggable(vcpu: SingleVcpu) -> SingleVcpu:
    """One that is not there can only be plugged; one that is there needs a place in the order for that."""
    if not vcpu.enabled:
        return replace(vcpu, hotpluggable=True, order=None)
    return vcpu if vcpu.order is not None or not vcpu.hotpluggable else replace(vcpu, hotpluggable=False)


def _check_topology(domain: Domain, count: int) -> None:
    topology = domain.cpu.topology if domain.cpu else None
    if topology is not None:
        product = topology.sockets * (topology.dies or 1) * topology.cores * topology.threads
        if product != count:
            text = f"CPU topology doesn't match the desired vcpu count: {product} in <topology>, not {count}"
            raise InvalidArgument(text, virdomain=VIR_FROM_QEMU)


def _period(domain: Domain, edit: SetStatsPeriod) -> Domain:
    check_balloon(domain)
    stats = BalloonStats(period=edit.seconds) if edit.seconds else None
    devices = domain.devices
    balloons = tuple(replace(each, stats=stats) for each in devices.memballoons)
    return replace(domain, devices=replace(devices, memballoons=balloons))


def check_balloon(domain: Domain) -> None:
    """Raises OperationInvalid for a domain whose guest cannot give memory back."""
    if not any(balloon.model == "virtio" for balloon in domain.devices.memballoons):
        text = "Memory balloon model must be virtio to set the collection period"
        raise OperationInvalid(text, virdomain=VIR_FROM_QEMU)


def _metadata(domain: Domain, edit: SetMetadata) -> Domain:
    if edit.type == DESCRIPTION:
        return replace(domain, description=edit.text or None)
    if edit.type == TITLE:
        return replace(domain, title=edit.text or None)
    return replace(domain, metadata=metadata.put(domain.metadata, edit.uri, edit.key, edit.text))
