"""What the driver asks of a kind of pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from embervirt.drivers.storage.model import Pool
from embervirt.drivers.storage.tables import Space, VolumeRow

Volumes = Mapping[str, VolumeRow]


class Backend(Protocol):
    """One kind of pool. Every call may take long: it runs beside the actor. All raise SystemError_."""

    def build(self, pool: Pool, flags: int) -> None:
        """Make what it lies on; ``flags``: virStoragePoolBuildFlags. Raises OperationInvalid."""

    def start(self, pool: Pool) -> None:
        """Make it usable: mount it, say."""

    def stop(self, pool: Pool) -> None:
        """Undo that."""

    def delete(self, pool: Pool) -> None:
        """Remove what it lies on, if nothing is in it."""

    def look(self, pool: Pool, known: Volumes) -> tuple[Space, dict[str, VolumeRow]]:
        """Its space and its volumes; those ``known`` whose file did not change are taken over."""
