"""Pinning, scheduling, NUMA policy, I/O threads: numbers that exist, values in range."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpuset import members
from embervirt.drivers.qemu.model.tuning import CpuTune, NumaTune
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, InternalError, XmlError

SHARES = (2, 262144)
PERIOD = (1000, 1_000_000)
QUOTA = (1000, 17592186044415)
"""What cgroups take; quotas may be negative besides, for none."""


def check(domain: Domain) -> None:
    """All of it."""
    _iothreads(domain)
    if domain.cputune:
        _limits(domain.cputune)
        _pins(domain, domain.cputune)
        _schedulers(domain, domain.cputune)
    if domain.numatune:
        _numatune(domain, domain.numatune)
    if domain.resource and domain.resource.partition and domain.resource.partition[:1] != "/":
        raise ConfigUnsupported(f"Resource partition '{domain.resource.partition}' must start with '/'")
    if domain.idmap and (not domain.idmap.uids or not domain.idmap.gids):
        raise ConfigUnsupported("uid and gid should be mapped both")


def _iothreads(domain: Domain) -> None:
    twice = repeated([thread.id for thread in domain.iothreads])
    if twice is not None:
        raise XmlError(f"duplicate iothread id '{twice}' found")
    for thread in (*domain.iothreads, *((domain.default_iothread,) if domain.default_iothread else ())):
        low, high = thread.pool_min or 0, thread.pool_max
        if low and low > (high or 0):
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
        raise ConfigUnsupported(f"duplicate iothreadpin for same iothread '{twice}'")


def _schedulers(domain: Domain, tune: CpuTune) -> None:
    emulator = (tune.emulator_sched,) if tune.emulator_sched else ()
    for each in (*tune.vcpu_scheds, *tune.iothread_scheds, *emulator):
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
    twice = repeated(vcpus), repeated(threads)
    if twice != (None, None):
        raise XmlError(f"vcpusched/iothreadsched attributes '{twice[0] or twice[1]}' must not overlap")


def _numatune(domain: Domain, tune: NumaTune) -> None:
    memory = tune.memory
    if tune.nodes and not domain.cells:
        raise XmlError("Element 'memnode' is invalid without any guest NUMA cells")
    if tune.nodes and memory and memory.placement == "auto":
        raise ConfigUnsupported("Per-node binding is not compatible with automatic NUMA placement.")
    if memory and memory.placement != "auto" and not memory.nodeset:
        raise ConfigUnsupported("nodeset for NUMA memory tuning must be set if 'placement' is 'static'")
    for node in tune.nodes:
        if node.cellid >= len(domain.cells):
            raise XmlError(
                f"Argument 'cellid' in memnode element must correspond to existing guest's NUMA cell,"
                f" not '{node.cellid}'"
            )
        restrictive = node.mode == "restrictive"
        if memory and (memory.mode == "restrictive") != restrictive:
            raise XmlError(
                "'restrictive' mode is required in memnode element"
                " when mode is 'restrictive' in memory element, and only then"
            )
    twice = repeated([node.cellid for node in tune.nodes])
    if twice is not None:
        raise XmlError(f"Multiple memnode elements with cellid {twice}")
