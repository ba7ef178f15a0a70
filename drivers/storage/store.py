"""The storage driver's files: ``etc/storage`` as libvirt keeps it, and in ``run/storage`` what is active.

Active pools are recorded as JSON, in this boot of the host only: after a reboot a pool starts again by
autostart, or by somebody who wants it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from embervirt.drivers.root.definitions import Definitions, usable
from embervirt.drivers.root.files import Fence, read, remove, write
from embervirt.drivers.root.paths import RootPaths
from embervirt.drivers.storage.errors import PoolRejected
from embervirt.drivers.storage.model import Pool
from embervirt.drivers.storage.reading import read_pool
from embervirt.errors import libvirtError
from embervirt.log import get_logger
from embervirt.supervisor.identity import boot_id


class Record(msgspec.Struct, frozen=True):
    """An active pool: ``xml`` as it was started."""

    uuid: str
    name: str
    xml: str
    boot_id: str


class Store(Definitions):
    """``fence``: of the generation that writes."""

    def __init__(self, paths: RootPaths, fence: Fence) -> None:
        super().__init__(paths.storage_etc, paths.storage_autostart, fence)
        self._paths = paths
        self._log = get_logger(driver="storage")

    def definitions(self) -> Iterator[Pool]:
        """Every one that can be read; another is reported and left as it is."""
        return usable(self._paths.storage_etc, self._read, "pool", "storage")

    @staticmethod
    def _read(path: Path) -> Pool:
        pool = read_pool(read(path))
        if pool.name != path.stem:
            raise PoolRejected(f"Storage pool config filename '{path}' does not match pool name {pool.name}")
        return pool

    def active(self) -> Iterator[Record]:
        """Pools that were active when this was last known, in this boot of the host."""
        for path in sorted(self._paths.storage_run.glob("*.json")):
            try:
                record = msgspec.json.decode(read(path), type=Record)
            except (libvirtError, msgspec.MsgspecError) as error:
                self._log.error("a pool's record is not usable", file=str(path), error=str(error))
                continue
            if record.boot_id == boot_id():
                yield record
            else:
                self.deactivate(record.name)

    def activate(self, uuid: str, name: str, xml: str) -> None:
        """Remember that it is active."""
        content = msgspec.json.encode(Record(uuid, name, xml, boot_id()))
        write(self._record(name), content, durable=False, fence=self._fence)

    def deactivate(self, name: str) -> None:
        """No longer."""
        remove(self._record(name), durable=False, fence=self._fence)

    def _record(self, name: str) -> Path:
        return self._paths.storage_run / f"{name}.json"
