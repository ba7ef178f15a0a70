"""Two hundred guests started at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import embervirt as libvirt
from embervirt.testing import FakeQemu
from guest.domain import descriptors, small

STARTS = 200


@pytest.mark.timeout(300)
def test_i17_two_hundred_starts_at_once_all_work_and_leak_nothing(
    embervirt_connection: libvirt.virConnect, fake_qemu: FakeQemu
) -> None:
    """Each QEMU has the descriptors of its own plan and none of another's; afterwards we have no more.

    How many start at a time is bounded by the callers, which ``calls.in_flight`` bounds.
    """
    conn, names = embervirt_connection, [f"g{n}" for n in range(STARTS)]
    conn.createXML(small("first")).destroy()
    before = descriptors()
    with ThreadPoolExecutor(STARTS) as pool:
        domains = list(pool.map(lambda name: conn.createXML(small(name)), names))
        spawned = fake_qemu.running()
        assert sorted(each.guest for each in spawned) == sorted(names)
        for each in spawned:
            assert foreign(each.pid, each.guest) == []
        list(pool.map(libvirt.virDomain.destroy, domains))
    assert fake_qemu.running() == []
    assert descriptors() <= before + STARTS  # a socket for each thread that called, kept for the next call
    conn.createXML(small("last")).destroy()


def foreign(pid: int, guest: str) -> list[str]:
    """What a QEMU has open of another guest, or of ours, or a socket more than its own."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    files = [each for each in links if "/log/qemu/" in each and Path(each).stem != guest]
    ours = [each for each in links if "pidfd" in each or "eventfd" in each or each.endswith(".lock")]
    sockets = [each for each in links if each.startswith("socket:")]
    return files + ours + sockets[2:] + ([] if psutil.pid_exists(pid) else ["gone"])
