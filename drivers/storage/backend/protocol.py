"""What the driver asks of a kind of pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.model import Pool, Volume
from embervirt.drivers.storage.tables import Space, VolumeRow

Volumes = Mapping[str, VolumeRow]


@dataclass(frozen=True)
class Area:
    """Bytes of a device."""

    device: str
    offset: int
    length: int


class Devices(Protocol):
    """The volumes of a pool that are no files. All may raise StorageInternal with a program's own words."""

    resizes: bool
    """Whether the size of one can change."""

    def check(self, volume: Volume, pool: Pool) -> None:
        """Before one is made. Raises libvirtError for a wish that this kind of pool cannot meet."""

    def area(self, volume: Volume, pool: Pool, programs: Programs) -> Area | None:
        """Where its data can be before it is made. None: it is made first, under a name that nobody sees."""

    def create(self, volume: Volume, pool: Pool, programs: Programs) -> None:
        """Of ``volume``'s name and size; what is in it is whatever was there."""

    def rename(self, pool: Pool, name: str, new: str, programs: Programs) -> None:
        """From its hidden name to its own."""

    def delete(self, pool: Pool, row: VolumeRow, programs: Programs) -> None:
        """Only the one that ``row`` is, and only while nobody uses it."""

    def resize(self, pool: Pool, row: VolumeRow, capacity: int, programs: Programs) -> None:
        """To ``capacity`` bytes at least."""

    def sweep(self, pool: Pool, programs: Programs) -> None:
        """Remove what a crash left half-made."""


class Backend(Protocol):
    """One kind of pool. Every call may take long: it runs beside the actor. All raise SystemError_, and
    StorageInternal with a program's own words."""

    devices: Devices | None
    """None for a kind whose volumes are files in the directory of its target."""

    def build(self, pool: Pool, flags: int, programs: Programs) -> None:
        """Make what it lies on; ``flags``: virStoragePoolBuildFlags. Raises OperationInvalid, PoolBuilt."""

    def start(self, pool: Pool, programs: Programs) -> None:
        """Make it usable: mount it, say."""

    def stop(self, pool: Pool, programs: Programs) -> None:
        """Undo that. Raises StorageInternal while it is in use: then it is as it was."""

    def delete(self, pool: Pool, programs: Programs) -> None:
        """Remove what it lies on, if nothing is in it."""

    def usable(self, pool: Pool, recorded: bool, programs: Programs) -> bool:
        """Whether it can be used as it is found, without a start. ``recorded``: it was active before."""

    def check(self, pool: Pool) -> None:
        """Before a volume is made or changed. Raises StorageFailed when somebody undid what ``start`` did."""

    def look(self, pool: Pool, known: Volumes, programs: Programs) -> tuple[Space, dict[str, VolumeRow]]:
        """Its space and its volumes; those ``known`` whose file did not change are taken over."""

    def look_at(self, pool: Pool, name: str, programs: Programs) -> tuple[Space, VolumeRow | None]:
        """Its space and one volume, looked at anew; None when it is not there."""
