"""Two hundred guests started at once."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import embervirt as libvirt
from counted import descriptors
from embervirt.testing import FakeQemu, refuses, waits
from guest.calls import raced
from guest.domain import small, uri

STARTS = 200


@pytest.mark.timeout(300)
def test_i17_two_hundred_starts_at_once_all_work_and_leak_nothing(
    embervirt_connection: libvirt.virConnect, fake_qemu: FakeQemu
) -> None:
    """Each QEMU has the descriptors of its own plan and none of another's; afterwards we have no more."""
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


def test_i17_a_start_that_ends_while_the_next_is_counted_disturbs_nobody(
    embervirt_connection: libvirt.virConnect, fake_qemu: FakeQemu
) -> None:
    """Ends come on the supervisor's thread, between any two steps of the driver's."""
    starts = embervirt_connection.root.part("qemu").face.starts

    class Ending(Future[None]):
        def done(self) -> bool:
            """It leaves the table just now."""
            starts.pop("one", None)
            return True

    starts |= {"one": Ending(), "another": Ending()}
    assert embervirt_connection.createXML(small("next")).isActive()
    assert starts.keys() == {"another"}
    assert [each.guest for each in fake_qemu.running()] == ["next"]


def test_i17_no_more_start_at_a_time_than_the_setting_says(embervirt_root: Path, fake_qemu: FakeQemu) -> None:
    """The others wait for their turn, whatever becomes of those before them."""
    fake_qemu.on("greeting", waits(0.3))
    fake_qemu.on("cont", refuses("not this one"), guest="g3")
    settings = {"qemu.emulator": str(fake_qemu.emulator), "qemu.parallel_starts": 2}
    with libvirt.open(uri(embervirt_root), settings=settings) as conn, ThreadPoolExecutor(12) as pool:
        tables, most, pause = conn.root.part("qemu").face.tables, 0, threading.Event()
        calls = [pool.submit(code, conn, f"g{n}") for n in range(12)]
        while not all(call.done() for call in calls):
            most = max(most, len(tables.starting))
            pause.wait(0.005)
        expected = [libvirt.VIR_ERR_INTERNAL_ERROR if n == 3 else None for n in range(12)]
        assert ([call.result() for call in calls], most) == (expected, 2)
        for domain in conn.listAllDomains():
            domain.destroy()


def code(conn: libvirt.virConnect, name: str) -> int | None:
    """Of the error that its start ends with."""
    return raced(threading.Barrier(1), lambda: conn.createXML(small(name)))


def foreign(pid: int, guest: str) -> list[str]:
    """What a QEMU has open of another guest, or of ours, or a socket more than its own."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    files = [each for each in links if "/log/qemu/" in each and Path(each).stem != guest]
    ours = [each for each in links if "pidfd" in each or "eventfd" in each or each.endswith(".lock")]
    sockets = [each for each in links if each.startswith("socket:")]
    return files + ours + sockets[2:] + ([] if psutil.pid_exists(pid) else ["gone"])
