"""A C call of the program keeps every thread of it from running: nobody is blamed, and systemd can tell."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from guest.domain import SECONDS, kill, qemus
from guest.host import Host

ALIVE, HELD, FREE = b"WATCHDOG=1", b"held", b"free"

CODE = """
import ctypes, socket
from embervirt import faults
from embervirt.runtime.systemd import fed
from embervirt.supervisor.report import ChildFailed, HealthChanged, SlowOperation
from guest.calls import began
limits = {"supervision.operation_limit": 2.0, "supervision.operation_grace": 0.5}
conn = libvirt.open(uri(ROOT), settings=limits)
domain = conn.createXML(small("a"))
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.connect(sys.argv[1] + ".notify")
asked = {"NOTIFY_SOCKET": sys.argv[1] + ".notify", "WATCHDOG_USEC": "200000"}
with watching(conn.root) as events, fed(asked):
    sys.stdin.readline()
    with faults.inject("journal.result", faults.hang(), times=1) as hung:
        suspended = began(domain.suspend)
        hung.wait()
        manager.send(b"held")
        ctypes.PyDLL(None).usleep(5_000_000)
        free = time.monotonic()
        manager.send(b"free")
        wait_until(lambda: conn.root.supervisor.looked > free)
    suspended.result(SECONDS)
    domain.resume()
    wait_until(lambda: conn.root.supervisor.looked > free + 2)
    sys.stdin.readline()
    blamed = events.fitting(lambda event: isinstance(event, (ChildFailed, HealthChanged, SlowOperation)))
    say(blamed=[str(each) for each in blamed], zombies=len(conn.root.health().zombies),
        generations=[each.generation for group in conn.root.tree().children for each in group.children])
domain.destroy()
conn.close()
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Whatever runs in the end is killed."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)


@pytest.fixture
def manager(root: Path) -> Iterator[socket.socket]:
    """systemd's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(f"{root}.notify")
        made.settimeout(SECONDS)
        yield made


def test_g10_a_gil_held_for_five_seconds_is_nobodys_fault_and_systemd_hears_nothing_meanwhile(
    root: Path, manager: socket.socket
) -> None:
    """Twice the limit of an operation in hand, which ends well; of fifty signs of life none is given."""
    heard = iter(lambda: manager.recv(100), b"")
    host = Host(root, CODE)
    try:
        assert [next(heard) for _ in range(3)] == [ALIVE] * 3
        host.line()
        assert set(takewhile(lambda said: said != HELD, heard)) <= {ALIVE}
        meanwhile = list(takewhile(lambda said: said != FREE, heard))
        assert len(meanwhile) <= 1, "one that was on its way when the call began"
        assert [next(heard) for _ in range(20)] == [ALIVE] * 20
        host.line()
        assert host.hear() == {"blamed": [], "zombies": 0, "generations": [1, 1]}
        manager.close()
        host.end()
    finally:
        host.kill()
