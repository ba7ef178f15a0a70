"""What a running guest has used: of its disks, its memory, its CPUs, its network."""

from __future__ import annotations

import json
import os
from typing import Any

from embervirt.drivers.network.messages import FindLeases, Lease
from embervirt.drivers.qemu import messages
from embervirt.drivers.qemu.errors import (
    VIR_FROM_DOM,
    VIR_FROM_QEMU,
    DomainArgumentUnsupported,
    DomainNotRunning,
)
from embervirt.drivers.qemu.model import Disk, Interface
from embervirt.drivers.qemu.service import statistics
from embervirt.drivers.qemu.tables import Running
from embervirt.errors import ConfigUnsupported, InternalError, InvalidArgument, OperationInvalid
from embervirt.libvirt.domain.agent import AgentCalls
from embervirt.libvirt.flags import only

TYPED_STRING_OKAY = 4
BLOCK = ("rd_operations", "rd_bytes", "wr_operations", "wr_bytes")
NO_ERRORS = -1
LEASE, AGENT, ARP = 0, 1, 2


class Statistics(AgentCalls):
    """The part of ``virDomain`` that counts."""

    def _ask(self, command: str, **arguments: Any) -> Any:
        """What QEMU returns. Raises as every call to the guest, and MonitorError."""
        asked = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(self._to_guest(messages.Query(asked)))

    def _active(self) -> Running:
        row = self._running()
        if row is None:
            self._known()
            raise DomainNotRunning("domain is not running")
        return row

    # Disks.

    def blockInfo(self, path: str, flags: int = 0) -> list[int]:
        """``[capacity, allocation, physical]`` in bytes, of a disk by its target or its source.

        Raises InvalidArgument for no such disk, ConfigUnsupported for an image that is no file or device.
        """
        only(flags, 0, "blockInfo")
        if not path:
            text = "string disk in virDomainGetBlockInfo must not be empty"
            raise InvalidArgument(text, virdomain=VIR_FROM_DOM)
        disk = self._disk(path, "invalid path {} not assigned to domain")
        file = statistics.image(disk)
        if file is None and disk.type in ("file", "block"):
            text = f"disk '{disk.dev}' does not currently have a source assigned"
            raise InvalidArgument(text, virdomain=VIR_FROM_QEMU)
        if file is None:
            raise ConfigUnsupported(
                f"disk '{disk.dev}': the size of a {disk.type} source cannot be asked for"
            )
        return statistics.size(disk, file)

    def _disk(self, path: str, refusal: str) -> Disk:
        for disk in self._known().domain.devices.disks:
            if path in (disk.dev, statistics.image(disk)):
                return disk
        raise InvalidArgument(refusal.format(path), virdomain=VIR_FROM_QEMU)

    def blockStats(self, path: str) -> tuple[int, int, int, int, int]:
        """``(reads, bytes read, writes, bytes written, -1)`` since its start; of all disks for no path."""
        found = self._block_stats(path)
        reads, read, writes, written = (found[name] for name in BLOCK)
        return reads, read, writes, written, NO_ERRORS

    def blockStatsFlags(self, path: str, flags: int = 0) -> dict[str, int]:
        """The same by name, with flushes and times in nanoseconds."""
        only(flags, TYPED_STRING_OKAY, "blockStatsFlags")
        return self._block_stats(path)

    def _block_stats(self, path: str) -> dict[str, int]:
        row = self._active()
        disks = [self._disk(path, "invalid path: {}")] if path else list(row.domain.devices.disks)
        return statistics.block(self._ask("query-blockstats"), {disk.id for disk in disks})

    # Network.

    def interfaceStats(self, path: str) -> tuple[int, int, int, int, int, int, int, int]:
        """Of an interface by its device on the host or its MAC address: bytes, packets, errors and drops,
        received by the guest and then sent.

        Raises InvalidArgument for no such interface, InternalError for one without a device on the host.
        """
        row = self._active()
        found = next((card for card in row.domain.devices.interfaces if path in _names(card)), None)
        if found is None:
            raise InvalidArgument(f"'{path}' is not a known interface", virdomain=VIR_FROM_DOM)
        device = _host_device(found)
        if device is None:
            raise InternalError("Interface name not provided")
        return statistics.network(device)

    def interfaceAddresses(self, source: int, flags: int = 0) -> dict[str, dict[str, Any]]:
        """By interface: ``{"hwaddr": ..., "addrs": [{"addr": ..., "prefix": ..., "type": ...}]}``.

        LEASE (0) asks the networks that the guest's cards are plugged into, AGENT (1) the guest, ARP (2) the
        host's table of neighbours. Raises DomainArgumentUnsupported for any other source.
        """
        only(flags, 0, "interfaceAddresses")
        cards = [card for card in self._active().domain.devices.interfaces if _host_device(card)]
        if source == LEASE:
            return self._leased(cards)
        if source == ARP:
            return statistics.neighbours({_mac(card): _host_device(card) or "" for card in cards})
        if source == AGENT:
            return statistics.addresses(self._ask_agent("guest-network-get-interfaces"))
        raise DomainArgumentUnsupported(f"Unknown IP address data source {source}")

    def _leased(self, cards: list[Interface]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for card in cards:
            network = card.source.network if card.source else None
            told = self._conn.root.call("network", FindLeases(network, _mac(card))) if network else []
            if told:
                found[_host_device(card) or ""] = {"addrs": list(map(_lease, told)), "hwaddr": _mac(card)}
        return found

    # Memory and CPUs.

    def memoryStats(self) -> dict[str, int]:
        """KiB by name: ``actual`` and ``rss`` always, what the guest tells when its balloon is asked."""
        row = self._active()
        found = {"rss": statistics.resident(row.process.pid)}
        balloon = next((each for each in row.domain.devices.memballoons if each.model != "none"), None)
        if balloon is None:
            return {"actual": row.domain.current_memory or row.domain.memory, **found}
        actual = self._ask("query-balloon")["actual"] // 1024
        told = self._ask("qom-get", path=f"/machine/peripheral/{balloon.id}", property="guest-stats")
        return {"actual": actual, **statistics.balloon(told), **found}

    def vcpus(self) -> tuple[list[tuple[int, int, int, int]], list[tuple[bool, ...]]]:
        """``(number, state, CPU time in ns, CPU of the host)`` of each vCPU; where each may run."""
        row = self._running()
        if row is None:
            self._known()
            text = "cannot retrieve vcpu information for inactive domain"
            raise OperationInvalid(text, virdomain=VIR_FROM_QEMU)
        threads = [each["thread-id"] for each in self._ask("query-cpus-fast")]
        told = [statistics.vcpu(number, row.process.pid, id_) for number, id_ in enumerate(threads)]
        return told, [_allowed(id_) for id_ in threads]


def _allowed(thread: int) -> tuple[bool, ...]:
    allowed = os.sched_getaffinity(thread)
    return tuple(number in allowed for number in range(os.cpu_count() or 1))


def _names(card: Interface) -> tuple[str | None, ...]:
    return card.mac.address if card.mac else None, _host_device(card)


def _lease(told: Lease) -> dict[str, Any]:
    return {"addr": told.address, "prefix": told.prefix, "type": told.type}


def _mac(card: Interface) -> str:
    return card.mac.address if card.mac else ""


def _host_device(card: Interface) -> str | None:
    """A user network has none."""
    return card.target.dev if card.target and card.is_plugged else None
