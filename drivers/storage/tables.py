"""What the storage driver publishes and any thread reads: pools, their volumes, jobs under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from embervirt.actors.table import Table
from embervirt.drivers.images import Image
from embervirt.drivers.storage.model import Permissions, Pool

FILE, BLOCK, DIR = 0, 1, 2
"""virStorageVolType."""


@dataclass(frozen=True)
class Space:
    """Of a pool, in bytes."""

    capacity: int = 0
    allocation: int = 0
    available: int = 0


@dataclass(frozen=True)
class PoolRow:
    """A pool. ``pool``: as it is active, else as defined; ``defined``: what its next start begins with.

    A transient pool has no ``defined``. ``space``, and ``permissions`` of its directory, are those that were
    seen last.
    """

    uuid: str
    name: str
    pool: Pool
    defined: Pool | None
    active: bool = False
    autostart: bool = False
    space: Space = Space()
    permissions: Permissions | None = None

    @property
    def persistent(self) -> bool:
        """Whether it is defined on disk."""
        return self.defined is not None


Stamp = tuple[int, int, int, int, int, int]
"""What changes when a file does: device, inode, bytes, 512-byte blocks, mtime and ctime in ns."""


class VolumeRow(Struct, frozen=True):
    """A volume as it was seen last. ``kind`` is virStorageVolType; sizes in bytes, times in ns.

    ``image``: what the file itself says; ``stamp`` that of the file when it said so.
    """

    name: str
    path: str
    kind: int
    capacity: int
    allocation: int
    physical: int
    image: Image
    stamp: Stamp
    mode: int
    owner: int
    group: int
    atime: int

    @property
    def key(self) -> str:
        """Unique among all volumes: of a file its path."""
        return self.path


@dataclass(frozen=True)
class JobRow:
    """Long work under way. ``id`` as in the root's journal; ``done`` and ``total`` in bytes."""

    id: str
    what: str
    pool: str
    volume: str
    done: int = 0
    total: int = 0

    @property
    def percent(self) -> float:
        """0 to 100; 0 while nobody knows the total."""
        return min(100.0, 100.0 * self.done / self.total) if self.total else 0.0


@dataclass
class Tables:
    """Pools by UUID, volumes by the UUID of their pool and then by name, jobs by id."""

    pools: Table[str, PoolRow] = field(default_factory=Table)
    volumes: Table[str, Mapping[str, VolumeRow]] = field(default_factory=Table)
    jobs: Table[str, JobRow] = field(default_factory=Table)
