"""What many guests have used, in one call: groups of numbers under libvirt's names."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

from embervirt import world
from embervirt.drivers.qemu import filters
from embervirt.drivers.qemu.errors import VIR_FROM_DOM, DomainArgumentUnsupported
from embervirt.drivers.qemu.messages import Query
from embervirt.drivers.qemu.model import Disk, Domain
from embervirt.drivers.qemu.service import blocks, statistics
from embervirt.drivers.qemu.tables import Running
from embervirt.errors import InvalidArgument, OperationTimeout, SystemError_, libvirtError
from embervirt.libvirt.connection import Connection
from embervirt.libvirt.domain import virDomain
from embervirt.libvirt.flags import only
from embervirt.supervisor import proc

Params = dict[str, int | str]
Pairs = Iterator[tuple[str, int | str]]

FILTERS = 0xFF
NOWAIT, BACKING, ENFORCE = 1 << 29, 1 << 30, 1 << 31
"""virConnectGetAllDomainStatsFlags, without waiting for a QEMU that is silent, with the backing chain, and
refusing what is not known."""

PATIENCE = 0.5
"""Seconds that a QEMU is waited for: it answers within a millisecond, and all others' numbers wait too."""

DIRTY_RATE = {"unstarted": 0, "measuring": 1, "measured": 2}
"""virDomainDirtyRateStatus."""

TRANSFERS = {
    "rd.reqs": "rd_operations",
    "rd.bytes": "rd_bytes",
    "rd.times": "rd_total_time_ns",
    "wr.reqs": "wr_operations",
    "wr.bytes": "wr_bytes",
    "wr.times": "wr_total_time_ns",
    "fl.reqs": "flush_operations",
    "fl.times": "flush_total_time_ns",
}
"""Of a disk, and what ``query-blockstats`` calls it."""

TRAFFIC = ("bytes", "pkts", "errs", "drop")


class Subject:
    """A domain that is asked about. ``qmp`` is empty for a guest whose QEMU cannot be asked, or is silent."""

    def __init__(self, domain: virDomain, flags: int) -> None:
        self.handle, self._flags = domain, flags
        self._silent = False
        self.running: Running | None = domain._running()
        row = domain._known()
        self.domain: Domain = row.domain

    @property
    def backing(self) -> bool:
        """Whether files behind files are wanted."""
        return bool(self._flags & BACKING)

    def qmp(self, command: str, **arguments: Any) -> Any:
        """What QEMU returns; None when it cannot be asked, or says no."""
        if self.running is None or self._silent or (self._flags & NOWAIT and self.running.degraded):
            return None
        asked, until = json.dumps({"execute": command, "arguments": arguments}), world.monotonic() + PATIENCE
        try:
            return json.loads(self.handle._face.bus.call(self.running.actor, Query(asked), deadline=until))
        except libvirtError as error:  # the rest is told all the same, as in libvirt
            self._silent = isinstance(error, OperationTimeout)
            return None

    @cached_property
    def threads(self) -> list[int]:
        """Of the vCPUs, in their order."""
        return [each["thread-id"] for each in self.qmp("query-cpus-fast") or []]


def _state(subject: Subject) -> Pairs:
    state, reason = subject.handle.state()
    yield from (("state.state", state), ("state.reason", reason))


def _cpu(subject: Subject) -> Pairs:
    if subject.running is None:
        return
    user, system = proc.cpu_times(subject.running.process.pid)
    yield from (("cpu.time", user + system), ("cpu.user", user), ("cpu.system", system))
    yield "cpu.cache.monitor.count", 0
    yield from (("cpu.haltpoll.success.time", 0), ("cpu.haltpoll.fail.time", 0))


def _balloon(subject: Subject) -> Pairs:
    domain = subject.domain
    yield "balloon.current", domain.current_memory or domain.memory
    yield "balloon.maximum", domain.memory
    if subject.running is None:
        return
    balloon = next((each for each in domain.devices.memballoons if each.model != "none"), None)
    if balloon is not None:
        path = f"/machine/peripheral/{balloon.id}"
        told = subject.qmp("qom-get", path=path, property="guest-stats")
        for name, value in statistics.balloon(told).items() if told else ():
            yield f"balloon.{name.replace('last_update', 'last-update')}", value
    yield "balloon.rss", statistics.resident(subject.running.process.pid)


def _vcpu(subject: Subject) -> Pairs:
    yield from (("vcpu.current", subject.domain.vcpus), ("vcpu.maximum", subject.domain.vcpu.count))
    if subject.running is None:
        return
    pid = subject.running.process.pid
    for number, thread in enumerate(subject.threads):
        _, running, time, _ = statistics.vcpu(number, pid, thread)
        yield from ((f"vcpu.{number}.state", running), (f"vcpu.{number}.time", time))
        yield from ((f"vcpu.{number}.wait", 0), (f"vcpu.{number}.delay", statistics.delay(pid, thread)))


def _interface(subject: Subject) -> Pairs:
    """What the host counts, for those that have a device there."""
    if subject.running is None:
        return
    interfaces = subject.domain.devices.interfaces
    yield "net.count", len(interfaces)
    for number, interface in enumerate(interfaces):
        target = getattr(interface, "target", None)
        if target is not None and target.dev and interface.is_plugged:
            yield f"net.{number}.name", target.dev
            counts = statistics.network(target.dev)
            names = [f"{way}.{what}" for way in ("rx", "tx") for what in TRAFFIC]
            yield from ((f"net.{number}.{name}", count) for name, count in zip(names, counts, strict=True))


def _block(subject: Subject) -> Pairs:
    return _files(subject.domain) if subject.running is None else _disks(subject)


def _files(domain: Domain) -> Pairs:
    """Of a domain that does not run: what the host knows of its images, if they are there."""
    yield "block.count", len(domain.devices.disks)
    for place, disk in enumerate(domain.devices.disks):
        yield f"block.{place}.name", disk.dev
        if disk.file:
            yield f"block.{place}.path", disk.file
            with contextlib.suppress(SystemError_):
                sizes = statistics.size(disk, disk.file)
                for name, value in zip(("capacity", "allocation", "physical"), sizes, strict=True):
                    yield f"block.{place}.{name}", value


def _disks(subject: Subject) -> Pairs:
    by_device = {statistics.device_of(each): each for each in subject.qmp("query-blockstats") or []}
    by_node = {each["node-name"]: each for each in subject.qmp("query-named-block-nodes", flat=True) or []}
    rows = [row for disk in subject.domain.devices.disks for row in _images(disk, subject.backing)]
    yield "block.count", len(rows)
    for place, (disk, node) in enumerate(rows):
        prefix, told = f"block.{place}", by_device.get(disk.id)
        yield f"{prefix}.name", disk.dev
        if node is not None:
            yield from ((f"{prefix}.path", node.path), (f"{prefix}.backingIndex", node.number))
        if told is not None and (node is None or node.top):
            yield from ((f"{prefix}.{name}", told["stats"][theirs]) for name, theirs in TRANSFERS.items())
        if node is not None and node.image.node in by_node:
            parent = (told or {}).get("parent", {}) if node.top else {}
            yield from _sizes(prefix, by_node[node.image.node], by_node.get(node.image.storage, {}), parent)


def _images(disk: Disk, backing: bool) -> list[tuple[Disk, blocks.Node | None]]:
    """An empty drive is a row too; the images below the top are if they are wanted."""
    nodes = blocks.nodes(disk)
    rows: list[tuple[Disk, blocks.Node | None]] = [(disk, node) for node in nodes if node.top or backing]
    return rows or [(disk, None)]


def _sizes(prefix: str, format_: dict[str, Any], storage: dict[str, Any], parent: dict[str, Any]) -> Pairs:
    image = format_["image"]
    allocation = parent.get("stats", {}).get("wr_highest_offset", 0)
    yield from ((f"{prefix}.allocation", allocation), (f"{prefix}.capacity", image["virtual-size"]))
    yield f"{prefix}.physical", image.get("actual-size", 0)
    if storage.get("write_threshold"):
        yield f"{prefix}.threshold", storage["write_threshold"]


def _dirty_rate(subject: Subject) -> Pairs:
    told = subject.qmp("query-dirty-rate")
    if told is None:
        return
    yield "dirtyrate.calc_status", DIRTY_RATE[told["status"]]
    yield "dirtyrate.calc_start_time", told["start-time"]
    yield "dirtyrate.calc_period", told["calc-time"]
    yield "dirtyrate.calc_mode", told["mode"]
    if "dirty-rate" in told:
        yield "dirtyrate.megabytes_per_second", told["dirty-rate"]


def _none(_: Subject) -> Pairs:
    """These guests have none of it."""
    yield from ()


GROUPS: dict[int, Callable[[Subject], Pairs]] = {
    1: _state,
    2: _cpu,
    4: _balloon,
    8: _vcpu,
    16: _interface,
    32: _block,
    64: _none,
    128: _none,
    256: _none,
    512: _dirty_rate,
}
"""By virDomainStatsTypes: 64 perf, 128 I/O threads, 256 memory bandwidth."""


class StatisticsCalls(Connection):
    """The part of ``virConnect`` that counts for many domains."""

    def getAllDomainStats(self, stats: int = 0, flags: int = 0) -> list[tuple[virDomain, Params]]:
        """``[(domain, {"state.state": 1, ...})]``; ``stats`` are groups (virDomainStatsTypes), 0 for all.

        ``flags``: which domains, as ``listAllDomains``; NOWAIT, ENFORCE. Of a QEMU that does not answer what
        it would tell is missing. Raises DomainArgumentUnsupported.
        """
        only(flags, FILTERS | NOWAIT | BACKING | ENFORCE, "getAllDomainStats")
        face = self._face("qemu")
        rows = face.tables.definitions.values(), face.tables.running.values()
        found = filters.select(*rows, flags & FILTERS)
        return self._told((virDomain(self, face, name, uuid) for name, uuid in found), stats, flags)

    def domainListGetStats(
        self, doms: list[virDomain], stats: int = 0, flags: int = 0
    ) -> list[tuple[virDomain, Params]]:
        """The same for these, of which at least one must be given; one that is gone is left out."""
        only(flags, NOWAIT | BACKING | ENFORCE, "domainListGetStats")
        self._check_open()
        if not doms:
            text = "doms array in virDomainListGetStats must contain at least one domain"
            raise InvalidArgument(text, virdomain=VIR_FROM_DOM)
        return self._told(doms, stats, flags)

    def _told(self, domains: Iterable[virDomain], stats: int, flags: int) -> list[tuple[virDomain, Params]]:
        unknown = stats & ~sum(GROUPS)
        if unknown and flags & ENFORCE:
            raise DomainArgumentUnsupported(f"Stats types bits 0x{unknown:x} are not supported")
        groups = [group for bit, group in GROUPS.items() if stats & bit or not stats]
        told = ((domain, _asked(domain, groups, flags)) for domain in domains)
        return [(domain, params) for domain, params in told if params is not None]


def _asked(domain: virDomain, groups: list[Callable[[Subject], Pairs]], flags: int) -> Params | None:
    try:
        subject = Subject(domain, flags)
        return {name: value for group in groups for name, value in group(subject)}
    except libvirtError:
        if domain._running() is None and domain._definition() is None:
            return None
        raise
