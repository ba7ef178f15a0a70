"""What the storage driver publishes and any thread reads: pools, their volumes, jobs under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from embervirt.actors.table import Table
from embervirt.drivers.images import Image
from embervirt.drivers.storage.model import EncryptionSecret, Permissions, Pool

FILE, BLOCK, DIR = 0, 1, 2
"""virStorageVolType."""


@dataclass(frozen=True)
class Space:
    """Of a pool, in bytes. ``free``: of a disk, where each piece begins, and the byte behind its last."""

    capacity: int = 0
    allocation: int = 0
    available: int = 0
    free: tuple[tuple[int, int], ...] = ()


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


class DeviceRow(Struct, frozen=True, gc=False):
    """What is known of a volume that is a logical volume or a partition, and no file.

    ``uuid``: LVM's. ``extents``: devices, each with a byte and the one behind the last. ``origin``: what it
    is a snapshot of. ``sparse``: what is written takes room that there may not be. ``format``: a partition's.
    """

    uuid: str = ""
    extents: tuple[tuple[str, int, int], ...] = ()
    origin: VolumeRow | None = None
    sparse: bool = False
    format: str = ""


class BelowRow(Struct, frozen=True, gc=False):
    """The file that an image lies upon, as a row of a volume has it."""

    path: str
    stamp: Stamp
    mode: int
    owner: int
    group: int
    atime: int


class VolumeRow(Struct, frozen=True, gc=False):
    """A volume as it was seen last. ``kind`` is virStorageVolType; sizes in bytes, times in ns.

    ``image``: what the file itself says; ``stamp`` that of the file when it said so. ``below``: what it lies
    upon, if that is a file of this host and there.
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
    device: DeviceRow | None = None
    below: BelowRow | None = None

    @property
    def key(self) -> str:
        """Unique among all volumes: of a file its path, of a logical volume LVM's UUID."""
        return (self.device.uuid if self.device else "") or self.path


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
    """Pools by UUID, volumes by the UUID of their pool and then by name, jobs by id.

    ``secrets``: of encrypted volumes that were made here which secret has the passphrase, by path.
    """

    pools: Table[str, PoolRow] = field(default_factory=Table)
    volumes: Table[str, Mapping[str, VolumeRow]] = field(default_factory=Table)
    jobs: Table[str, JobRow] = field(default_factory=Table)
    secrets: Table[str, EncryptionSecret] = field(default_factory=Table)
