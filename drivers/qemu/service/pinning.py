"""Which CPUs of the host the threads of a guest run on, and by which scheduler."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpuset import members
from embervirt.drivers.qemu.model.tuning import CpuTune
from embervirt.errors import SystemError_

POLICIES = {
    "batch": os.SCHED_BATCH,
    "idle": os.SCHED_IDLE,
    "fifo": os.SCHED_FIFO,
    "rr": os.SCHED_RR,
}
Ask = Callable[[str], Any]


def wanted(domain: Domain) -> bool:
    """Whether there is anything to do."""
    tune = domain.cputune or CpuTune()
    pins = tune.vcpu_pins or tune.emulator_pins or tune.iothread_pins
    schedulers = tune.vcpu_scheds or tune.iothread_scheds or tune.emulator_scheds
    return bool(pins or schedulers or domain.vcpu.cpuset)


def apply(domain: Domain, pid: int, ask: Ask) -> None:
    """Pin the threads of a QEMU that has not run yet. ``ask`` is QMP.

    Raises SystemError_ when the host refuses: no such CPU, no right to that scheduler.
    """
    tune = domain.cputune or CpuTune()
    vcpus = {each["cpu-index"]: each["thread-id"] for each in ask("query-cpus-fast")}
    iothreads = {each["id"]: each["thread-id"] for each in ask("query-iothreads")}
    known = {*vcpus.values(), *iothreads.values()}
    rest = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if int(task.name) not in known]
    usual = domain.vcpu.cpuset
    emulator = tune.emulator_pins[0].cpuset if tune.emulator_pins else usual
    _pin(rest, emulator)
    own = {pin.vcpu: pin.cpuset for pin in tune.vcpu_pins}
    for number, thread in vcpus.items():
        _pin([thread], own.get(number, usual))
    pinned = {f"iothread{pin.iothread}": pin.cpuset for pin in tune.iothread_pins}
    for id_, thread in iothreads.items():
        _pin([thread], pinned.get(id_, usual))
    _schedule(tune, vcpus, iothreads, rest)


def _pin(threads: Iterable[int], cpuset: str | None) -> None:
    if cpuset is None:
        return
    for thread in threads:
        try:
            os.sched_setaffinity(thread, members(cpuset))
        except ProcessLookupError:
            continue  # a worker that has nothing to do any more
        except OSError as error:
            raise _refused(f"cannot set CPU affinity of thread {thread} to '{cpuset}'", error) from error


def _schedule(tune: CpuTune, vcpus: dict[int, int], iothreads: dict[str, int], rest: list[int]) -> None:
    for each in tune.vcpu_scheds:
        found = [vcpus[number] for number in members(each.vcpus) if number in vcpus]
        _set(found, each.scheduler, each.priority)
    for other in tune.iothread_scheds:
        threads = [iothreads[f"iothread{number}"] for number in members(other.iothreads)]
        _set(threads, other.scheduler, other.priority)
    for emulator in tune.emulator_scheds:
        _set(rest, emulator.scheduler, emulator.priority)


def _set(threads: Iterable[int], scheduler: str, priority: int | None) -> None:
    for thread in threads:
        try:
            os.sched_setscheduler(thread, POLICIES[scheduler], os.sched_param(priority or 0))
        except ProcessLookupError:
            continue
        except OSError as error:
            raise _refused(f"Cannot set scheduler '{scheduler}' of thread {thread}", error) from error


def _refused(what: str, error: OSError) -> SystemError_:
    return SystemError_(f"{what}: {error.strerror}", int1=error.errno or -1, virdomain=VIR_FROM_QEMU)
