"""How the host runs a guest: pinning, scheduling, NUMA policy, I/O threads, limits of cgroups.

What needs a cgroup is kept and refused when the guest starts, as libvirt does on a host without one.
"""

from __future__ import annotations

from embervirt.drivers.qemu.model.cpuset import cpuset
from embervirt.drivers.xml import (
    Element,
    attr,
    child,
    children,
    choice,
    integer,
    size,
    string,
    text,
    yes_no,
)
from embervirt.errors import ConfigUnsupported

_UINT = integer(0, 2**32 - 1)
_ULONG = integer(0, 2**63 - 1)
_LONG = integer(-(2**63), 2**63 - 1)
_COUNT = integer(1, 2**31 - 1)


class VcpuPin(Element, tag="vcpupin"):
    """``cpuset`` is None in no pin after ``validate``."""

    vcpu: int = attr("vcpu", _UINT)
    cpuset: str | None = attr("cpuset", cpuset, default=None)


class EmulatorPin(Element, tag="emulatorpin"):
    cpuset: str | None = attr("cpuset", cpuset, default=None)


class IoThreadPin(Element, tag="iothreadpin"):
    iothread: int = attr("iothread", _COUNT)
    cpuset: str | None = attr("cpuset", cpuset, default=None)


_SCHEDULER = choice("batch", "idle", "fifo", "rr")


class VcpuSched(Element, tag="vcpusched"):
    """``priority`` belongs to the real-time schedulers fifo and rr, and is required there."""

    vcpus: str = attr("vcpus", cpuset)
    scheduler: str = attr("scheduler", _SCHEDULER)
    priority: int | None = attr("priority", integer(-(2**31), 2**31 - 1), default=None)


class IoThreadSched(Element, tag="iothreadsched"):
    iothreads: str = attr("iothreads", cpuset)
    scheduler: str = attr("scheduler", _SCHEDULER)
    priority: int | None = attr("priority", integer(-(2**31), 2**31 - 1), default=None)


class EmulatorSched(Element, tag="emulatorsched"):
    scheduler: str = attr("scheduler", _SCHEDULER)
    priority: int | None = attr("priority", integer(-(2**31), 2**31 - 1), default=None)


class CpuTune(Element, tag="cputune", refuse=("cachetune", "memorytune")):
    """Periods and quotas are microseconds. ``emulator_scheds``: one at most after ``validate``."""

    shares: int | None = text("shares", _ULONG, default=None)
    period: int | None = text("period", _ULONG, default=None)
    quota: int | None = text("quota", _LONG, default=None)
    global_period: int | None = text("global_period", _ULONG, default=None)
    global_quota: int | None = text("global_quota", _LONG, default=None)
    emulator_period: int | None = text("emulator_period", _ULONG, default=None)
    emulator_quota: int | None = text("emulator_quota", _LONG, default=None)
    iothread_period: int | None = text("iothread_period", _ULONG, default=None)
    iothread_quota: int | None = text("iothread_quota", _LONG, default=None)
    vcpu_pins: tuple[VcpuPin, ...] = children(VcpuPin, default=())
    emulator_pins: tuple[EmulatorPin, ...] = children(EmulatorPin, default=())
    iothread_pins: tuple[IoThreadPin, ...] = children(IoThreadPin, default=())
    vcpu_scheds: tuple[VcpuSched, ...] = children(VcpuSched, default=())
    iothread_scheds: tuple[IoThreadSched, ...] = children(IoThreadSched, default=())
    emulator_scheds: tuple[EmulatorSched, ...] = children(EmulatorSched, default=())


_MODES = choice("strict", "preferred", "interleave", "restrictive", error=ConfigUnsupported)


class NumaMemory(Element, tag="memory"):
    """``nodeset``: nodes of the host; without a ``mode`` it is strict."""

    mode: str | None = attr("mode", _MODES, default=None)
    nodeset: str | None = attr("nodeset", cpuset, default=None)
    placement: str | None = attr("placement", choice("static", "auto", error=ConfigUnsupported), default=None)


class MemNode(Element, tag="memnode"):
    """The same for one node of the guest."""

    cellid: int = attr("cellid", _UINT)
    mode: str | None = attr("mode", _MODES, default=None)
    nodeset: str = attr("nodeset", cpuset)


class NumaTune(Element, tag="numatune"):
    memory: NumaMemory | None = child(NumaMemory, default=None)
    nodes: tuple[MemNode, ...] = children(MemNode, default=())


class IoThread(Element, tag="iothread", refuse=("poll",)):
    id: int = attr("id", _COUNT)
    pool_min: int | None = attr("thread_pool_min", integer(0, 2**31 - 1), default=None)
    pool_max: int | None = attr("thread_pool_max", integer(0, 2**31 - 1), default=None)


class IoThreadIds(Element, tag="iothreadids"):
    iothreads: tuple[IoThread, ...] = children(IoThread, default=())


class DefaultIoThread(Element, tag="defaultiothread"):
    """QEMU's main loop."""

    pool_min: int | None = attr("thread_pool_min", integer(0, 2**31 - 1), default=None)
    pool_max: int | None = attr("thread_pool_max", integer(0, 2**31 - 1), default=None)


class MemTune(Element, tag="memtune"):
    hard_limit: int | None = size("hard_limit", default=None)
    soft_limit: int | None = size("soft_limit", default=None)
    min_guarantee: int | None = size("min_guarantee", default=None)
    swap_hard_limit: int | None = size("swap_hard_limit", default=None)


class BlkioDevice(Element, tag="device"):
    path: str = text("path")
    weight: int | None = text("weight", _UINT, default=None)
    read_bytes: int | None = text("read_bytes_sec", _ULONG, default=None)
    write_bytes: int | None = text("write_bytes_sec", _ULONG, default=None)
    read_iops: int | None = text("read_iops_sec", _UINT, default=None)
    write_iops: int | None = text("write_iops_sec", _UINT, default=None)


class BlkioTune(Element, tag="blkiotune"):
    weight: int | None = text("weight", _UINT, default=None)
    devices: tuple[BlkioDevice, ...] = children(BlkioDevice, default=())


class FibreChannel(Element, tag="fibrechannel"):
    appid: str = attr("appid", default="")


class Resource(Element, tag="resource"):
    """Where in the host's cgroups libvirt would put the guest; kept, and of no effect here."""

    partition: str | None = text("partition", default=None)
    fibre_channel: FibreChannel | None = child(FibreChannel, default=None)


class Label(Element, tag="seclabel"):
    """Of the security drivers; ``dac`` and ``none`` mean something here, the others are kept as they are."""

    type: str | None = attr("type", choice("dynamic", "static", "none"), default=None)
    model: str | None = attr("model", string, default=None)
    relabel: bool | None = attr("relabel", yes_no, default=None)
    label: str | None = text("label", default=None)
    imagelabel: str | None = text("imagelabel", default=None)
    baselabel: str | None = text("baselabel", default=None)


class IdRange(Element, tag="uid"):
    start: int = attr("start", _UINT)
    target: int = attr("target", _UINT)
    count: int = attr("count", _UINT)


class IdMap(Element, tag="idmap"):
    """Of containers and of virtiofsd without privileges."""

    uids: tuple[IdRange, ...] = children(IdRange, "uid", default=())
    gids: tuple[IdRange, ...] = children(IdRange, "gid", default=())
