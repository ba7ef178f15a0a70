"""What the storage driver has once for each root: its tables, and what handles need to ask it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from embervirt.actors.bus import Bus
from embervirt.drivers.driver import Environment
from embervirt.drivers.root.leases import Leases
from embervirt.drivers.root.paths import RootPaths
from embervirt.drivers.storage import filters
from embervirt.drivers.storage.backend.kinds import backend
from embervirt.drivers.storage.backend.looking import stamp
from embervirt.drivers.storage.jobs import UnderWay
from embervirt.drivers.storage.model import EncryptionSecret, Pool, Volume
from embervirt.drivers.storage.reading import read_pool, read_volume
from embervirt.drivers.storage.service.showing import pool_xml, volume_xml
from embervirt.drivers.storage.tables import PoolRow, Space, Tables, VolumeRow
from embervirt.drivers.xml import render


class Face:
    """Shared by the driver's actor and the handles; owns nothing but the tables."""

    def __init__(self, environment: Environment) -> None:
        self.paths: RootPaths = environment.paths
        self.bus: Bus = environment.bus
        self.journal = environment.journal
        self.leases = Leases(environment.paths.leases)
        self.tables = Tables()
        self.under_way: dict[str, UnderWay] = {}
        """By id; a thread that waits for its disk outlives its generation, and has the file in hand still."""

    @staticmethod
    def read_pool(text: str, *, strict: bool = False) -> tuple[str, str]:
        """Parse, complete and check; UUID and final XML. Raises XmlError, StorageNotSupported."""
        pool = read_pool(text, strict=strict)
        backend(pool)
        return str(pool.uuid), render(pool)

    @staticmethod
    def read_volume(text: str, pool: Pool, *, strict: bool = False, clone: bool = False) -> tuple[str, str]:
        """The same of a volume of that pool: its name and final XML."""
        volume: Volume = read_volume(text, pool, strict=strict, clone=clone)
        return str(volume.name), render(volume)

    def select(self, flags: int) -> list[PoolRow]:
        """Pools that match ``virConnectListAllStoragePoolsFlags``, by name."""
        return filters.select(self.tables.pools.values(), flags)

    @staticmethod
    def pool_xml(row: PoolRow, *, inactive: bool) -> str:
        """As it is, or as its next start begins with."""
        if inactive and row.defined not in (None, row.pool):  # what was seen is of another directory, perhaps
            row = replace(row, pool=row.defined, space=Space(), permissions=None)
        return pool_xml(row)

    @staticmethod
    def unchanged(row: VolumeRow) -> bool:
        """Whether its file is as it was when it was looked at."""
        try:
            return stamp(Path(row.path).stat()) == row.stamp
        except OSError:
            return False

    def volume_xml(self, row: VolumeRow, pool: PoolRow, secrets: Collection[str] = ()) -> str:
        """As it was seen last. ``secrets``: usages of those for volumes; one for its path is its own."""
        secret = self.tables.secrets.get(row.path)
        if secret is None and row.path in secrets:
            secret = EncryptionSecret(type="passphrase", usage=row.path)
        return volume_xml(row, pool, secret)
