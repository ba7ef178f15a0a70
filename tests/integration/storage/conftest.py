"""A root with an active pool of real files."""

from __future__ import annotations

from collections.abc import Iterator
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
