"""Pinning, scheduling, NUMA policy, I/O threads: numbers that exist, values in range."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpuset import members
from embervirt.drivers.qemu.model.tuning import (
    CpuTune,
    EmulatorPin,
    EmulatorSched,
    IdMap,
    IoThreadPin,
    IoThreadSched,
    NumaTune,
    VcpuPin,
    VcpuSched,
)
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, InternalError, InvalidArgument, XmlDetail, XmlError

SHARES = (2, 262144)
PERIOD = (1000, 1_000_000)
QUOTA = (1000, 17592186044415)
"""What cgroups take; quotas may be negative besides, for none."""

LONGEST_APPID = 128
"""Characters."""


def check(domain: Domain) -> None:
    """All of it."""
    _iothreads(domain)
    if domain.blkiotune:
        twice = repeated(device.path for device in domain.blkiotune.devices)
        if twice is not None:
            raise ConfigUnsupported(f"duplicate blkio device path '{twice}'")
    if domain.cputune:
        _limits(domain.cputune)
        _pins(domain, domain.cputune)
        _schedulers(domain, domain.cputune)
    if domain.numatune:
        _numatune(domain, domain.numatune)
    channel = domain.resource.fibre_channel if domain.resource else None
    if channel:
        _appid(channel.appid)
    if domain.idmap:
        _idmap(domain.idmap)


def _appid(appid: str) -> None:
    if len(appid) > LONGEST_APPID:
        raise InvalidArgument(f"Fibre Channel 'appid' string length must be between [1, {LONGEST_APPID}]")
    if not (appid.isascii() and appid.isprintable()):
        raise XmlError("Fibre Channel 'appid' is not a printable string")


def _idmap(idmap: IdMap) -> None:
    if not idmap.uids or not idmap.gids:
        raise ConfigUnsupported("uid and gid should be mapped both")
    if idmap.uids[0].start or idmap.gids[0].start:
        raise ConfigUnsupported("You must map the root user of container")


def _iothreads(domain: Domain) -> None:
    twice = repeated([thread.id for thread in domain.iothreads])
    if twice is not None:
        raise XmlError(f"duplicate iothread id '{twice}' found")
    for thread in (*domain.iothreads, *((domain.default_iothread,) if domain.default_iothread else ())):
        if thread.pool_max == 0:
            raise ConfigUnsupported("thread_pool_max must be a positive integer")
        if thread.pool_min is not None and thread.pool_min > (thread.pool_max or -1):
            raise ConfigUnsupported("thread_pool_min must be smaller or equal to thread_pool_max")


def _limits(tune: CpuTune) -> None:
    _within("shares", tune.shares, SHARES)
    for name in ("period", "global_period", "emulator_period", "iothread_period"):
        _within(name, getattr(tune, name), PERIOD)
    for name in ("quota", "global_quota", "emulator_quota", "iothread_quota"):
        value = getattr(tune, name)
        _within(name, value if value is None or value > 0 else None, QUOTA)


def _within(name: str, value: int | None, bounds: tuple[int, int]) -> None:
    if value and not bounds[0] <= value <= bounds[1]:
        raise ConfigUnsupported(f"Value of cputune '{name}' must be in range [{bounds[0]}, {bounds[1]}]")


def _pins(domain: Domain, tune: CpuTune) -> None:
    pins: tuple[VcpuPin | EmulatorPin | IoThreadPin, ...]
    pins = (*tune.vcpu_pins, *tune.emulator_pins, *tune.iothread_pins)
    for each in pins:
        if not each.cpuset:
            raise InternalError(f"missing cpuset for {each.__schema__.tag}")
    twice = repeated([pin.vcpu for pin in tune.vcpu_pins])
    if twice is not None:
        raise InternalError(f"duplicate vcpupin for vcpu '{twice}'")
    if len(tune.emulator_pins) > 1:
        raise XmlError("only one emulatorpin is supported")
    known = {thread.id for thread in domain.iothreads}
    for pin in tune.iothread_pins:
        if pin.iothread not in known:
            raise ConfigUnsupported(f"Cannot find 'iothread' : {pin.iothread}")
    twice = repeated([pin.iothread for pin in tune.iothread_pins])
    if twice is not None:
        raise InternalError(f"duplicate iothreadpin for same iothread '{twice}'")


def _schedulers(domain: Domain, tune: CpuTune) -> None:
    if len(tune.emulator_scheds) > 1:
        raise XmlError("only one emulatorsched is supported")
    scheds: tuple[VcpuSched | IoThreadSched | EmulatorSched, ...]
    scheds = (*tune.vcpu_scheds, *tune.iothread_scheds, *tune.emulator_scheds)
    for each in scheds:
        if each.scheduler in ("fifo", "rr") and each.priority is None:
            name = each.__schema__.tag
            raise XmlError(f"Missing required attribute 'priority' in element '{name}'")
    vcpus = [n for each in tune.vcpu_scheds for n in members(each.vcpus)]
    beyond = next((n for n in vcpus if n >= domain.vcpu.count), None)
    if beyond is not None:
        raise ConfigUnsupported(f"vCPU '{beyond}' is not present in domain definition")
    threads = [n for each in tune.iothread_scheds for n in members(each.iothreads)]
    known = {thread.id for thread in domain.iothreads}
    missing = next((n for n in threads if n not in known), None)
    if missing is not None:
        raise ConfigUnsupported(f"Cannot find 'iothread' : {missing}")
    for what, numbers in (("vcpusched", vcpus), ("iothreadsched", threads)):
        twice = repeated(numbers)
        if twice is not None:
            raise XmlDetail(f"'{what}' attributes must not overlap: '{twice}'")


def _numatune(domain: Domain, tune: NumaTune) -> None:
    memory = tune.memory
    if tune.nodes and not domain.cells:
        raise XmlError("Element 'memnode' is invalid without any guest NUMA cells")
    if tune.nodes and (memory.placement if memory else domain.vcpu.placement) == "auto":
        raise ConfigUnsupported("Per-node binding is not compatible with automatic NUMA placement.")
    if memory and memory.placement != "auto" and not memory.nodeset:
        raise ConfigUnsupported("nodeset for NUMA memory tuning must be set if 'placement' is 'static'")
    for node in tune.nodes:
        if node.cellid >= len(domain.cells):
            raise XmlError(
                f"Argument 'cellid' in memnode element must correspond to existing guest's NUMA cell,"
                f" not '{node.cellid}'"
            )
        if memory and memory.mode == "restrictive" != node.mode:
            raise XmlError(
                "'restrictive' mode is required in memnode element"
                " when mode is 'restrictive' in memory element"
            )
    twice = repeated([node.cellid for node in tune.nodes])
    if twice is not None:
        raise XmlError(f"Multiple memnode elements with cellid {twice}")
