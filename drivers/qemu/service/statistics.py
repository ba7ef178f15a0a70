"""What QEMU, the kernel and image files tell of a guest, in libvirt's units and under its names."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from embervirt.drivers.qemu.errors import VIR_FROM_STORAGE
from embervirt.drivers.qemu.model import Disk
from embervirt.errors import InternalError, SystemError_
from embervirt.supervisor import proc

PAGE = os.sysconf("SC_PAGE_SIZE") // 1024
"""KiB."""

QCOW2 = b"QFI\xfb"
SIZE_AT = 24
"""Where a qcow2 header has the size that the guest sees: 8 bytes, big-endian."""

BLOCK_NAMES = {
    "rd_operations": "rd_operations",
    "rd_bytes": "rd_bytes",
    "rd_total_times": "rd_total_time_ns",
    "wr_operations": "wr_operations",
    "wr_bytes": "wr_bytes",
    "wr_total_times": "wr_total_time_ns",
    "flush_operations": "flush_operations",
    "flush_total_times": "flush_total_time_ns",
}
"""libvirt's names, and those of ``query-blockstats``."""

BALLOON_NAMES = {
    "swap_in": "stat-swap-in",
    "swap_out": "stat-swap-out",
    "major_fault": "stat-major-faults",
    "minor_fault": "stat-minor-faults",
    "unused": "stat-free-memory",
    "available": "stat-total-memory",
    "usable": "stat-available-memory",
    "disk_caches": "stat-disk-caches",
    "hugetlb_pgalloc": "stat-htlb-pgalloc",
    "hugetlb_pgfail": "stat-htlb-pgfail",
}
COUNTS = {"major_fault", "minor_fault", "hugetlb_pgalloc", "hugetlb_pgfail"}
"""Those that are no bytes."""

UNKNOWN = 2**64 - 1
"""What QEMU says of what the guest did not tell."""

DEVICES, TRANSMIT = Path("/proc/thread-self/net/dev"), 8
"""Devices of the caller's network namespace, and where the counts of what one sent begin."""
NEIGHBOURS = Path("/proc/thread-self/net/arp")
INCOMPLETE = "0x0"


def block(told: list[dict[str, Any]], devices: Collection[str]) -> dict[str, int]:
    """Sums over the ``devices`` (ids) of what ``query-blockstats`` tells."""
    mine = [each["stats"] for each in told if device_of(each) in devices]
    return {name: sum(each[theirs] for each in mine) for name, theirs in BLOCK_NAMES.items()}


def device_of(told: Mapping[str, Any]) -> str:
    """Of a device, from its path in QEMU's object model, or the id itself: ``virtio-disk0``."""
    path = str(told.get("qdev", ""))
    return path.removeprefix("/machine/peripheral/").split("/")[0]


def balloon(told: Mapping[str, Any]) -> dict[str, int]:
    """KiB and counts of what the guest told; ``last_update`` is Unix time, 0 for never."""
    stats = told["stats"]
    known = {name: stats.get(theirs, UNKNOWN) for name, theirs in BALLOON_NAMES.items()}
    found = {
        name: value if name in COUNTS else value // 1024
        for name, value in known.items()
        if value not in (UNKNOWN, -1)
    }
    return {**found, "last_update": told["last-update"]}


def resident(pid: int) -> int:
    """KiB of memory that a process has; 0 when it has just ended."""
    said = proc.read(pid, "statm")
    return int(said.split()[1]) * PAGE if said else 0


def vcpu(number: int, pid: int, thread: int) -> tuple[int, int, int, int]:
    """``(number, running, CPU time in ns, CPU of the host)`` of a vCPU's thread."""
    fields = proc.stat(pid, thread)
    if not fields:
        return number, 0, 0, -1
    ticks = int(fields[proc.USER_TIME]) + int(fields[proc.SYSTEM_TIME])
    return number, 1, ticks * proc.TICK, int(fields[proc.PROCESSOR])


def network(device: str) -> tuple[int, int, int, int, int, int, int, int]:
    """Bytes, packets, errors, drops that the guest received by a device of the host, then that it sent.

    What the host's side of a tap sends the guest receives. Raises InternalError when it is not there.
    """
    lines = (line.rpartition(":") for line in DEVICES.read_text().splitlines())
    counts = next((rest.split() for name, _, rest in lines if name.strip() == device), None)
    if counts is None:
        raise InternalError(f"{DEVICES}: interface '{device}' not found")
    received, sent = (list(map(int, counts[begin : begin + 4])) for begin in (TRANSMIT, 0))
    return (received[0], received[1], received[2], received[3], sent[0], sent[1], sent[2], sent[3])


def image(disk: Disk) -> str | None:
    """The file or device of a disk, None for an empty tray or what is no file."""
    return disk.file


def size(disk: Disk, file: str) -> list[int]:
    """``[capacity, allocation, physical]`` in bytes. Raises SystemError_ for what cannot be read."""
    try:
        with Path(file).open("rb") as opened:
            found = os.fstat(opened.fileno())
            header = opened.read(SIZE_AT + 8)
            physical = opened.seek(0, os.SEEK_END)
    except OSError as error:
        text = f"cannot open file '{file}': {error.strerror}"
        raise SystemError_(text, int1=error.errno or -1, virdomain=VIR_FROM_STORAGE) from error
    inside = disk.driver is not None and disk.driver.type == "qcow2" and header.startswith(QCOW2)
    capacity = int.from_bytes(header[SIZE_AT:], "big") if inside else physical
    return [capacity, found.st_blocks * 512 or (physical if _is_device(file) else 0), physical]


def _is_device(file: str) -> bool:
    return Path(file).is_block_device()


def delay(pid: int, thread: int) -> int:
    """Nanoseconds that a thread was ready and waited for a CPU."""
    said = proc.read(pid, f"task/{thread}/schedstat")
    return int(said.split()[1]) if said else 0


FAMILIES = {"ipv4": 0, "ipv6": 1}
"""``virIPAddrType``."""


def addresses(told: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What ``guest-network-get-interfaces`` tells, by card: ``eth0:1`` is ``eth0``."""
    found: dict[str, dict[str, Any]] = {}
    for each in told:
        card = found.setdefault(each["name"].split(":")[0], {"addrs": None, "hwaddr": None})
        card["hwaddr"] = card["hwaddr"] or each.get("hardware-address")
        mine = [_address(address) for address in each.get("ip-addresses", [])]
        card["addrs"] = [*(card["addrs"] or []), *mine] or None
    return found


def neighbours(macs: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What the host's table of neighbours knows; ``macs``: of cards, and what to call each. IPv4 only."""
    found: dict[str, dict[str, Any]] = {}
    for line in NEIGHBOURS.read_text().splitlines()[1:]:
        address, _, flags, mac, *_ = line.split()
        if mac in macs and flags != INCOMPLETE:
            card = found.setdefault(macs[mac], {"addrs": [], "hwaddr": mac})
            card["addrs"].append({"addr": address, "prefix": 0, "type": FAMILIES["ipv4"]})
    return found


def _address(told: Mapping[str, Any]) -> dict[str, Any]:
    family = FAMILIES[told["ip-address-type"]]
    return {"addr": told["ip-address"], "prefix": told["prefix"], "type": family}


def online(told: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """What ``guest-set-vcpus`` is to be told, so that ``count`` of those of ``guest-get-vcpus`` are online.

    Those that cannot go offline stay; the list is empty when nothing has to change.
    """
    fixed = sum(1 for each in told if each["online"] and not each.get("can-offline", False))
    left, changes = count - fixed, []
    for each in told:
        if each["online"] and not each.get("can-offline", False):
            continue
        wanted, left = left > 0, left - 1
        if wanted != each["online"]:
            changes.append({"logical-id": each["logical-id"], "online": wanted})
    return changes
