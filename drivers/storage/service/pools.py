"""The operations on pools that take no time: on disk first, then published."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from embervirt.actors.fence import Fence
from embervirt.drivers.root.files import explained
from embervirt.drivers.storage.backend.kinds import backend
from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.backend.protocol import Volumes
from embervirt.drivers.storage.errors import StorageArgument
from embervirt.drivers.storage.model import Permissions, Pool
from embervirt.drivers.storage.reading import read_pool
from embervirt.drivers.storage.service import staging
from embervirt.drivers.storage.states import check, no_pool
from embervirt.drivers.storage.store import Record, Store
from embervirt.drivers.storage.tables import PoolRow, Space, Tables, VolumeRow
from embervirt.drivers.storage.validate.conflicts import check_conflicts
from embervirt.drivers.xml import render
from embervirt.errors import libvirtError
from embervirt.log import get_logger

WITH_BUILD, WITH_OVERWRITE, WITHOUT_OVERWRITE = 1, 2, 4
"""virStoragePoolCreateFlags."""

NO_OVERWRITE, OVERWRITE = 4, 8
"""virStoragePoolBuildFlags."""


UNSEEN = ("dir",)
"""Kinds of pools of which nothing but a record can say that they are active."""


@dataclass(frozen=True)
class Wanted:
    """A pool that may be active. ``recorded``: it was."""

    row: PoolRow
    recorded: bool


Answer = tuple[PoolRow, Volumes] | str
"""An active pool as it is, or why it is not."""


class Pools:
    """All pools of one root. ``fence``: of the generation at work."""

    def __init__(self, store: Store, tables: Tables, fence: Fence) -> None:
        self._store, self._tables, self._fence = store, tables, fence
        self._log = get_logger(driver="storage")

    def find(self, uuid: str) -> PoolRow:
        """Raises NoStoragePool."""
        row = self._tables.pools.get(uuid)
        if row is None:
            raise no_pool(uuid)
        return row

    def is_active(self, uuid: str) -> bool:
        """As it is shown."""
        row = self._tables.pools.get(uuid)
        return row is not None and row.active

    def put(self, row: PoolRow) -> PoolRow:
        """Publish it."""
        self._tables.pools.put(self._fence, row.uuid, row)
        return row

    # What is there when the driver starts.

    def load(self, look: Callable[[list[Wanted]], dict[str, Answer]]) -> None:
        """Publish what is on disk and in the world. ``look`` asks those that may be active, by UUID;
        who does not answer it in time is not active until ``answered`` says so."""
        rows = self._defined()
        volumes: dict[str, Volumes] = {}
        records = {record.uuid: record for record in self._store.active()}
        resumed = {uuid: self._resumed(rows.get(uuid), record) for uuid, record in records.items()}
        wanted = [Wanted(row, uuid in records) for uuid, row in {**rows, **resumed}.items()]
        answers = look([each for each in wanted if each.recorded or each.row.pool.type not in UNSEEN])
        for each in wanted:
            answer = answers.get(each.row.uuid)
            if answer is not None:
                self._record(each, answer)
                if not isinstance(answer, str):
                    rows[each.row.uuid], volumes[each.row.uuid] = answer
        self._tables.volumes.replace(self._fence, volumes)
        self._tables.pools.replace(self._fence, rows)

    def answered(self, wanted: Wanted, answer: Answer) -> None:
        """What a pool said that was late."""
        self._record(wanted, answer)
        if not isinstance(answer, str):
            self._tables.volumes.put(self._fence, wanted.row.uuid, answer[1])
            self.put(answer[0])
        elif self.is_active(wanted.row.uuid):
            self.deactivated(wanted.row)

    def _record(self, wanted: Wanted, answer: Answer) -> None:
        """One that is found in use, by a start that was not recorded or by somebody else, is recorded too."""
        row = wanted.row
        if not isinstance(answer, str):
            if not wanted.recorded:
                self._store.activate(row.uuid, row.name, render(row.pool))
        elif wanted.recorded:
            self._log.warning("pool is no longer active", pool=row.name, why=answer)
            self._store.deactivate(row.name)

    def _defined(self) -> dict[str, PoolRow]:
        rows: dict[str, PoolRow] = {}
        autostarting = self._store.autostarting()
        for pool in self._store.definitions():
            row = new_row(pool, defined=True)
            if row.uuid in rows:
                self._log.error("pool is not used", pool=row.name, uuid=row.uuid, is_of=rows[row.uuid].name)
            else:
                rows[row.uuid] = replace(row, autostart=row.name in autostarting)
        return rows

    @staticmethod
    def _resumed(row: PoolRow | None, record: Record) -> PoolRow:
        pool = read_pool(record.xml)
        base = new_row(pool, defined=False) if row is None else row
        return replace(base, pool=pool, active=True)

    # Definitions.

    def define(self, pool: Pool, others: Iterable[PoolRow] = ()) -> PoolRow:
        """New, or in place of the one with its UUID. ``others``: pools that are being started.

        Raises StorageConflict, StorageNotSupported.
        """
        backend(pool)
        check_conflicts(pool, [*self._tables.pools.values(), *others], start=False)
        row = new_row(pool, defined=True)
        known = self._tables.pools.get(row.uuid)
        self._store.define(row.name, render(pool))
        if known is not None:
            row = replace(known, defined=pool, pool=known.pool if known.active else pool)
        return self.put(row)

    def undefine(self, uuid: str, jobs: int) -> PoolRow:
        """Raises NoStoragePool, StorageInvalid while it is active."""
        row = self.find(uuid)
        check(row, "undefine", jobs)
        self._store.undefine(row.name)
        self._tables.pools.drop(self._fence, uuid)
        return row

    def set_autostart(self, uuid: str, on: bool) -> None:
        """Raises StorageInternal for one that is not defined."""
        row = self.find(uuid)
        check(row, "autostart")
        self._store.set_autostart(row.name, on)
        self.put(replace(row, autostart=on))

    # Active or not.

    def beginning(self, uuid: str) -> PoolRow:
        """A pool as its start finds it. Raises StorageInvalid when it is active."""
        row = self.find(uuid)
        check(row, "start")
        return row

    def transient(self, pool: Pool, others: Iterable[PoolRow] = ()) -> PoolRow:
        """One that is to be started without a definition, or with the one of its UUID; ``others`` too."""
        backend(pool)
        check_conflicts(pool, [*self._tables.pools.values(), *others], start=True)
        known = self._tables.pools.get(str(pool.uuid))
        return new_row(pool, defined=False) if known is None else replace(known, pool=pool)

    def activated(self, row: PoolRow, volumes: Volumes) -> PoolRow:
        """It was started; meanwhile it may have been defined anew."""
        known = self._tables.pools.get(row.uuid)
        if known is not None:
            row = replace(row, defined=known.defined, autostart=known.autostart)
        self._store.activate(row.uuid, row.name, render(row.pool))
        self._tables.volumes.put(self._fence, row.uuid, volumes)
        return self.put(replace(row, active=True))

    def deactivated(self, row: PoolRow) -> PoolRow:
        """It was stopped: without a definition there is nothing left of it."""
        row = self.find(row.uuid)
        self._store.deactivate(row.name)
        self._tables.volumes.drop(self._fence, row.uuid)
        if row.defined is None:
            self._tables.pools.drop(self._fence, row.uuid)
            return row
        if row.defined != row.pool:  # what was seen is not of this
            return self.put(replace(row, active=False, pool=row.defined, space=Space(), permissions=None))
        return self.put(replace(row, active=False))

    # Volumes.

    def volumes(self, uuid: str) -> Volumes:
        """By name."""
        return self._tables.volumes.get(uuid) or {}

    def refreshed(self, row: PoolRow, volumes: Volumes, changed: Collection[str]) -> None:
        """What was seen of all; of those that ``changed`` meanwhile is known better."""
        now, known = self.find(row.uuid), self.volumes(row.uuid)
        later = {name: known[name] for name in changed if name in known}
        rows = {name: each for name, each in volumes.items() if name not in changed} | later
        self._tables.volumes.put(self._fence, row.uuid, rows)
        space = now.space if changed else row.space
        self.put(replace(now, space=space, permissions=row.permissions))

    def volume_is(self, uuid: str, name: str, row: VolumeRow | None, space: Space) -> None:
        """A volume as it is now, None for one that is not; and the pool's space."""
        known = self._tables.pools.get(uuid)
        if known is None or not known.active:
            return
        others = {key: each for key, each in self.volumes(uuid).items() if key != name}
        now = others if row is None else {**others, name: row}
        self._tables.volumes.put(self._fence, uuid, now)
        self.put(replace(known, space=space))


def new_row(pool: Pool, *, defined: bool) -> PoolRow:
    """Of a complete pool."""
    return PoolRow(str(pool.uuid), str(pool.name), pool, pool if defined else None)


def resumed(wanted: Wanted, programs: Programs, left: Collection[Path]) -> Answer:
    """A pool as it is found when the driver starts. Takes long."""
    row = wanted.row
    try:
        if backend(row.pool).usable(row.pool, wanted.recorded, programs):
            return looked_at(replace(row, active=True), {}, programs, left)
    except libvirtError as error:
        return str(error)
    return "nobody uses it"


def looked_at(
    row: PoolRow, known: Volumes, programs: Programs, left: Collection[Path]
) -> tuple[PoolRow, Volumes]:
    """Its space and volumes as they are. Nothing is being made in it: what is half-made goes.

    ``left``: files that jobs which are over may have left.
    """
    hands = backend(row.pool)
    if hands.devices is not None:
        hands.devices.sweep(row.pool, programs)
    else:
        staging.sweep(Path(row.pool.path), left)
    space, volumes = hands.look(row.pool, known, programs)
    permissions = _permissions(row.pool.path) if hands.devices is None else None
    return replace(row, space=space, permissions=permissions), volumes


def _permissions(path: str) -> Permissions:
    """Of a pool's directory, as it is."""
    with explained("look at", Path(path)):
        found = Path(path).stat()
    return Permissions(mode=found.st_mode & 0o777, owner=found.st_uid, group=found.st_gid)


def started(row: PoolRow, build: int, programs: Programs, left: Collection[Path]) -> tuple[PoolRow, Volumes]:
    """Built if asked for, usable, looked at; undone when that fails. Takes long."""
    hands = backend(row.pool)
    if build:
        hands.build(row.pool, build_flags(build), programs)
    hands.start(row.pool, programs)
    try:
        return looked_at(row, {}, programs, left)
    except libvirtError:
        with programs.job.steady() as job:
            hands.stop(row.pool, replace(programs, job=job))
        raise


def build_flags(create: int) -> int:
    """virStoragePoolBuildFlags for virStoragePoolCreateFlags."""
    return (OVERWRITE if create & WITH_OVERWRITE else 0) | (NO_OVERWRITE if create & WITHOUT_OVERWRITE else 0)


def exclusive(flags: int, one: int, other: int) -> None:
    """Raises StorageArgument for both at once."""
    if flags & one and flags & other:
        raise StorageArgument("a build overwrites or it does not: only one of the two flags is accepted")
