"""Leases of images over crashes: they hold as long as the guest runs, and not a moment longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from guest.calls import nothing_is_left
from guest.domain import SECONDS, crash, kill, pid_of, qemus, small, uri, wait_until
from guest.host import Host

DISK = "<disk type='file'><source file='{}'/><target dev='vda'/></disk>"
STARTS = """
conn = libvirt.open(uri(ROOT))
conn.createXML(small("holder", devices={!r}))
say(ready=True)
signal.pause()
"""
QUICK = {"supervision.backoff_initial": 0.001, "supervision.backoff_cap": 0.01}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """One that two want."""
    made = tmp_path / "image"
    with made.open("wb") as file:
        file.truncate(1 << 20)
    return made


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Not made yet; guests that a test leaves running are ended after it."""
    yield tmp_path / "root"
    for pid in qemus(tmp_path):
        kill(pid)


def killed(root: Path, image: Path) -> None:
    """A process that started a guest with the image, and was killed."""
    host = Host(root, STARTS.format(DISK.format(image)))
    host.line()
    host.hear()
    host.kill()


def start(conn: libvirt.virConnect, image: Path, name: str = "other") -> libvirt.virDomain:
    """A transient guest that wants it."""
    return conn.createXML(small(name, devices=DISK.format(image)))


def test_a_lease_outlives_the_process_and_ends_with_the_guest(root: Path, image: Path) -> None:
    """Whoever opens the root next knows who has the image; when that ends, it is free."""
    killed(root, image)
    with libvirt.open(uri(root)) as conn:
        with pytest.raises(libvirt.libvirtError, match="in use by domain 'holder'"):
            start(conn, image)
        conn.lookupByName("holder").destroy()
        start(conn, image).destroy()
        assert not conn.root.paths.leases.exists()


def test_a_guest_that_ended_while_nobody_watched_holds_nothing(root: Path, image: Path) -> None:
    """Neither for the next guest, nor for a storage driver that knows nothing of guests."""
    killed(root, image)
    kill(pid_of(root, "holder"))
    with libvirt.open(uri(root, "storage")) as conn:
        pool = conn.storagePoolCreateXML(
            f"<pool type='dir'><name>p</name><target><path>{image.parent}</path></target></pool>"
        )
        assert conn.root.paths.leases.exists()
        pool.storageVolLookupByName("image").wipe()
        pool.destroy()
    with libvirt.open(uri(root)) as conn:
        start(conn, image).destroy()
        assert not conn.root.paths.leases.exists()


STEPS = [
    "file.renamed[path=*/leases.json]=kill",
    "process.spawning=kill",
    "process.spawned=kill",
    "journal.mark=kill@1",
    "file.renamed[path=*/holder.json]=kill",
]


@pytest.mark.parametrize("point", STEPS)
def test_a_start_that_died_holds_nothing(
    root: Path, image: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Wherever the process was killed: the next one undoes the start, and another guest has the image."""
    monkeypatch.setenv(faults.VARIABLE, point)
    host = Host(root, STARTS.format(DISK.format(image)))
    assert host.process.wait(SECONDS) == -9
    host.kill()
    monkeypatch.delenv(faults.VARIABLE)
    with libvirt.open(uri(root)) as conn:
        assert not conn.root.paths.leases.exists()
        start(conn, image).destroy()
        assert nothing_is_left(conn, root, before={path.name for path in (root / "log/qemu").iterdir()})


CRASHES = [
    ("file.renamed", {"path": "*/leases.json"}),
    ("process.spawning", {}),
    ("process.spawned", {}),
    ("journal.mark", {}),
    ("file.renamed", {"path": "*/holder.json"}),
]


@pytest.mark.parametrize(("point", "where"), CRASHES)
def test_an_actor_that_dies_in_a_start_holds_nothing(
    root: Path, image: Path, point: str, where: dict[str, str]
) -> None:
    """In the same process, at once: the start is undone, and another guest has the image."""
    with libvirt.open(uri(root), settings=QUICK) as conn:
        injected = faults.inject(point, faults.crash(), times=1, where=where)
        with injected as crashed, pytest.raises(libvirt.libvirtError):
            start(conn, image, "holder")
        assert crashed.hits == 1
        wait_until(lambda: conn.root.journal.open() == [])
        start(conn, image).destroy()
        assert not conn.root.paths.leases.exists()


def test_an_actor_that_dies_keeps_what_its_guest_has(root: Path, image: Path) -> None:
    """The guest runs on, and so does its lease."""
    with libvirt.open(uri(root), settings=QUICK) as conn:
        domain = start(conn, image, "holder")
        crash(conn.root, "guests/1-holder")
        with pytest.raises(libvirt.libvirtError, match="in use by domain 'holder'"):
            start(conn, image)
        domain.destroy()
        start(conn, image).destroy()


def test_leases_that_cannot_be_written_refuse_the_start(root: Path, image: Path) -> None:
    """On a full disk nobody gets an image that the next one would not know of; nothing of the start stays."""
    with libvirt.open(uri(root)) as conn:
        full = faults.inject("file.written", faults.error(28), where={"path": "*leases.json*"})
        with full, pytest.raises(libvirt.libvirtError, match="No space left"):
            start(conn, image, "holder")
        start(conn, image).destroy()
