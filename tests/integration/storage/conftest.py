"""A root with an active pool of real files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import uri

PROMPT = {"supervision.backoff_initial": 0.001, "supervision.backoff_cap": 0.01}


def pool_xml(name: str, path: Path) -> str:
    """A directory."""
    return f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"


def volume_xml(name: str, capacity: int, *, allocation: int | None = 0, format: str = "raw") -> str:
    """Sizes in bytes; without an allocation all of it."""
    allocated = "" if allocation is None else f"<allocation>{allocation}</allocation>"
    target = f"<target><format type='{format}'/></target>"
    return f"<volume><name>{name}</name><capacity>{capacity}</capacity>{allocated}{target}</volume>"


@dataclass
class Storage:
    """A connection, its active pool ``images``, and the directory that this is."""

    conn: libvirt.virConnect
    pool: libvirt.virStoragePool
    folder: Path

    def make(
        self, name: str, capacity: int = 1 << 20, *, allocation: int | None = 0, format: str = "raw"
    ) -> libvirt.virStorageVol:
        """A new volume."""
        return self.pool.createXML(volume_xml(name, capacity, allocation=allocation, format=format))

    def files(self) -> list[str]:
        """All that is in the directory, hidden or not."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    """Opened by the storage driver's own URI."""
    with libvirt.open(uri(tmp_path / "root", "storage"), settings=PROMPT) as conn:
        folder = tmp_path / "images"
        pool = conn.storagePoolDefineXML(pool_xml("images", folder))
        pool.build()
        pool.create()
        yield Storage(conn, pool, folder)


def program(*argv: str, check: bool = True) -> str:
    """What it prints. Those of LVM get by without udevd, and without a word about the tests' descriptors."""
    env = {**os.environ, "DM_DISABLE_UDEV": "1", "LVM_SUPPRESS_FD_WARNINGS": "1", "LC_ALL": "C"}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False, timeout=60)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(argv)}: {done.returncode}: {done.stderr}")
    return done.stdout


def mounts(device: str) -> list[str]:
    """Where it is mounted."""
    lines = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [path for source, path, *_ in lines if source == device]


Devices = Callable[[], str]
"""Each call makes one, of 64 MiB, and answers its path."""


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[Devices]:
    """Loop devices; whatever is mounted from one or made on it goes with it, before anything else does."""
    made: list[str] = []

    def one() -> str:
        image = tmp_path / f"device-{len(made)}"
        with image.open("wb") as file:
            file.truncate(64 << 20)
        done = subprocess.run(
            ["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no loop device can be made here: {done.stderr.strip()}")
        made.append(done.stdout.strip())
        return made[-1]

    yield one
    for device in made:
        for path in mounts(device):
            program("umount", path)
        for group in program("pvs", "--noheadings", "-o", "vg_name", device, check=False).split():
            program("vgchange", "-an", group)
            program("vgremove", "-ff", "--yes", group)
        program("partx", "--delete", device, check=False)  # else the kernel keeps them, on the next image too
        program("losetup", "--detach", device)
