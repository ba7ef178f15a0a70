"""The lock of a root between processes: ours, and the real libvirt's embedded driver."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import peer
from embervirt.drivers.root.lock import RootLock
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import RootBusy
from guest.domain import SECONDS

OURS = """
import sys
from pathlib import Path
from embervirt.drivers.root.lock import RootLock
from embervirt.drivers.root.paths import RootPaths
try:
    lock = RootLock.acquire(RootPaths(Path(sys.argv[1])))
    print("owner", flush=True)
except Exception as error:
    print(error, flush=True)
sys.stdin.read()
"""
LIBVIRT = """
import sys, libvirt
libvirt.registerErrorHandler(lambda context, error: None, None)
libvirt.virEventRegisterDefaultImpl()
try:
    connection = libvirt.open(sys.argv[2] + ":///embed?root=" + sys.argv[1])
    print("owner", flush=True)
except libvirt.libvirtError as error:
    print(error, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["qemu", "secret"])
def driver(request: pytest.FixtureRequest) -> str:
    """One of libvirt's that has a root."""
    if lacks := peer.lacks(qemu=request.param == "qemu"):
        pytest.skip(lacks)
    return str(request.param)


@contextmanager
def process(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that tries to own a root, and what it says; it stays until its input ends."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield child, child.stdout.readline().strip()
    finally:
        child.communicate(timeout=SECONDS)


def test_another_process_is_refused_by_name(tmp_path: Path) -> None:
    """The error names pid and command of the owner, here and there."""
    with process(sys.executable, "-c", OURS, str(tmp_path)) as (child, said):
        assert said == "owner"
        with pytest.raises(RootBusy, match=f"process {child.pid} .*{sys.executable} -c"):
            RootLock.acquire(RootPaths(tmp_path))
    lock = RootLock.acquire(RootPaths(tmp_path))
    with process(sys.executable, "-c", OURS, str(tmp_path)) as (_, said):
        assert "Resource temporarily unavailable" in said
    lock.release()


def test_k04_the_root_of_a_killed_owner_is_free_at_once(tmp_path: Path) -> None:
    """SIGKILL leaves the files and no lock."""
    with process(sys.executable, "-c", OURS, str(tmp_path)) as (child, said):
        assert said == "owner"
        child.send_signal(signal.SIGKILL)
        child.wait(SECONDS)
        RootLock.acquire(RootPaths(tmp_path)).release()


def test_libvirts_embedded_driver_keeps_us_out(tmp_path: Path, driver: str) -> None:
    """Either of its drivers, and the error names its process; when it closed we are the owner."""
    with process(peer.PYTHON, "-c", LIBVIRT, str(tmp_path), driver) as (child, said):
        assert said == "owner"
        with pytest.raises(RootBusy, match=f"owned by process {child.pid} .*{peer.PYTHON}"):
            RootLock.acquire(RootPaths(tmp_path))
    RootLock.acquire(RootPaths(tmp_path)).release()


def test_we_keep_libvirts_embedded_driver_out(tmp_path: Path, driver: str) -> None:
    """It finds its pid file locked, also after the host program read that file; and gets in afterwards."""
    paths = RootPaths(tmp_path)
    lock = RootLock.acquire(paths)
    for path in paths.libvirt_locks:
        path.read_bytes()
    with process(peer.PYTHON, "-c", LIBVIRT, str(tmp_path), driver) as (_, said):
        assert "Failed to acquire pid file" in said
    lock.release()
    with process(peer.PYTHON, "-c", LIBVIRT, str(tmp_path), driver) as (_, said):
        assert said == "owner"
