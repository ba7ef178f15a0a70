"""The storage driver's files: ``etc/storage`` as libvirt keeps it, and in ``run/storage`` what is active.

Active pools are recorded as JSON, in this boot of the host only: after a reboot a pool starts again by
autostart, or by somebody who wants it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from embervirt.drivers.root.files import Fence, point, read, remove, sweep, write
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


class Store:
    """``fence``: of the generation that writes."""

    def __init__(self, paths: RootPaths, fence: Fence) -> None:
        self._paths, self._fence = paths, fence
        self._log = get_logger(driver="storage")

    def definitions(self) -> Iterator[Pool]:
        """Every one that can be read; another is reported and left as it is."""
        sweep(self._paths.storage_etc)
        for path in sorted(self._paths.storage_etc.glob("*.xml")):
            try:
                yield self._read(path)
            except (libvirtError, UnicodeDecodeError) as error:
                self._log.error("pool is not usable and was left aside", file=str(path), error=str(error))

    @staticmethod
    def _read(path: Path) -> Pool:
        pool = read_pool(read(path))
        if pool.name != path.stem:
            raise PoolRejected(f"Storage pool config filename '{path}' does not match pool name {pool.name}")
        return pool

    def define(self, name: str, xml: str) -> None:
        """Keep a definition, durably."""
        write(self._definition(name), xml.encode(), durable=True, fence=self._fence)

    def undefine(self, name: str) -> None:
        """Forget it, durably, with its autostart link."""
        remove(self._link(name), durable=False, fence=self._fence)
        remove(self._definition(name), durable=True, fence=self._fence)

    def autostarting(self) -> set[str]:
        """Names of the pools whose link leads to their definition."""
        found = (path for path in self._paths.storage_autostart.glob("*.xml") if path.is_symlink())
        return {path.stem for path in found if path.resolve() == self._definition(path.stem).resolve()}

    def set_autostart(self, name: str, on: bool) -> None:
        """Make or remove its link, durably."""
        if on:
            point(self._link(name), self._definition(name), durable=True, fence=self._fence)
        else:
            remove(self._link(name), durable=True, fence=self._fence)

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

    def _definition(self, name: str) -> Path:
        return self._paths.storage_etc / f"{name}.xml"

    def _link(self, name: str) -> Path:
        return self._paths.storage_autostart / f"{name}.xml"

    def _record(self, name: str) -> Path:
        return self._paths.storage_run / f"{name}.json"
