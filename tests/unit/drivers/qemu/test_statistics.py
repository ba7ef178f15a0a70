"""Numbers of QEMU, the kernel and image files become libvirt's."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from embervirt.drivers.qemu.model import Disk
from embervirt.drivers.qemu.service import statistics
from embervirt.drivers.xml import parse
from embervirt.errors import InternalError, SystemError_


def disk(path: Path, kind: str) -> Disk:
    """An image of that format."""
    driver = f"<driver name='qemu' type='{kind}'/>"
    return parse(Disk, f"<disk>{driver}<source file='{path}'/><target dev='vda'/></disk>")


def told(device: str, number: int) -> dict[str, Any]:
    """What ``query-blockstats`` says of a device."""
    stats = dict.fromkeys(statistics.BLOCK_NAMES.values(), number)
    return {"qdev": device, "stats": {**stats, "wr_highest_offset": 7}}


def test_counters_of_disks_add_up() -> None:
    """By id, whether QEMU names the device by it or by a path; others do not count."""
    answer = [
        told("/machine/peripheral/virtio-disk0/virtio-backend", 1),
        told("ide0-0-0", 10),
        told("/machine/peripheral/virtio-disk1/virtio-backend", 100),
    ]
    found = statistics.block(answer, {"virtio-disk0", "ide0-0-0"})
    assert found == dict.fromkeys(statistics.BLOCK_NAMES, 11)


def test_what_the_guest_does_not_tell_is_left_out() -> None:
    """Bytes become KiB, faults stay counts, and what QEMU does not know is not there."""
    stats = {"stat-free-memory": 4096, "stat-major-faults": 3, "stat-swap-in": 2**64 - 1}
    found = statistics.balloon({"stats": stats, "last-update": 17})
    assert found == {"unused": 4, "major_fault": 3, "last_update": 17}


def test_an_image_has_three_sizes(tmp_path: Path) -> None:
    """What the guest sees, what it takes on the disk, and how long the file is."""
    raw, qcow2 = tmp_path / "a.raw", tmp_path / "a.qcow2"
    raw.write_bytes(b"x" * 4096)
    os.truncate(raw, 1 << 20)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", qcow2, "16M"], check=True)
    assert statistics.size(disk(raw, "raw"), str(raw)) == [1 << 20, raw.stat().st_blocks * 512, 1 << 20]
    found = statistics.size(disk(qcow2, "qcow2"), str(qcow2))
    assert (found[0], found[2]) == (16 << 20, qcow2.stat().st_size)
    assert statistics.size(disk(qcow2, "raw"), str(qcow2))[0] == qcow2.stat().st_size
    with pytest.raises(SystemError_) as refused:
        statistics.size(disk(raw, "raw"), str(tmp_path / "none"))
    assert refused.value.get_int1() == 2


def test_the_kernel_tells_of_threads_and_memory() -> None:
    """Of those that are there; nothing of those that are gone."""
    pid, thread = os.getpid(), threading.get_native_id()
    number, state, time, cpu = statistics.vcpu(3, pid, thread)
    assert (number, state) == (3, 1)
    assert time >= 0
    assert cpu in range(os.cpu_count() or 1)
    assert statistics.resident(pid) > 1000
    assert statistics.vcpu(3, 2**22 - 1, 1) == (3, 0, 0, -1)
    assert statistics.resident(2**22 - 1) == 0


def test_a_device_of_the_host_counts_for_the_guest() -> None:
    """The loopback is there on every host, a device of no such name on none."""
    assert len(statistics.network("lo")) == 8
    with pytest.raises(InternalError, match="not found"):
        statistics.network("none0")


def test_addresses_of_an_alias_are_those_of_its_card() -> None:
    """In libvirt's shape: family as a number, None for a card without any."""
    address = {"ip-address": "10.0.2.15", "ip-address-type": "ipv4", "prefix": 24}
    second = {"ip-address": "fe80::1", "ip-address-type": "ipv6", "prefix": 64}
    told: list[dict[str, Any]] = [
        {"name": "eth0", "hardware-address": "52:54:00:11:22:33", "ip-addresses": [address]},
        {"name": "eth0:1", "ip-addresses": [second]},
        {"name": "eth1", "hardware-address": "52:54:00:11:22:34"},
    ]
    found = [
        {"addr": "10.0.2.15", "prefix": 24, "type": 0},
        {"addr": "fe80::1", "prefix": 64, "type": 1},
    ]
    assert statistics.addresses(told) == {
        "eth0": {"addrs": found, "hwaddr": "52:54:00:11:22:33"},
        "eth1": {"addrs": None, "hwaddr": "52:54:00:11:22:34"},
    }


@pytest.mark.parametrize(
    ("before", "count", "changes"),
    [
        ([1, 1, 1, 1], 4, {}),
        ([1, 1, 1, 1], 2, {2: False, 3: False}),
        ([1, 0, 1, 0], 3, {1: True}),
        ([1, 0, 0, 0], 1, {}),
    ],
)
def test_the_agent_switches_no_more_cpus_than_it_must(
    before: list[int], count: int, changes: dict[int, bool]
) -> None:
    """The first of them cannot go offline."""
    told = [
        {"logical-id": number, "online": bool(now), "can-offline": number > 0}
        for number, now in enumerate(before)
    ]
    found = statistics.online(told, count)
    assert {each["logical-id"]: each["online"] for each in found} == changes
