"""Requests about volumes: each is a job of its own, and one volume has one at a time that changes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embervirt.actors.actor import Actor, Context, handles
from embervirt.actors.work import Work
from embervirt.drivers.storage import messages
from embervirt.drivers.storage.actor.jobs import LOOK, Jobs
from embervirt.drivers.storage.backend.kinds import backend
from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.errors import NoStorageVolume, StorageInvalid, exists
from embervirt.drivers.storage.face import Face
from embervirt.drivers.storage.images import wiping
from embervirt.drivers.storage.jobs import Job
from embervirt.drivers.storage.messages import FoundVolume, VolumeRef
from embervirt.drivers.storage.model import EncryptionSecret, Volume
from embervirt.drivers.storage.postparse import placed
from embervirt.drivers.storage.reading import read_volume
from embervirt.drivers.storage.service import changing, finding, staging, transferring, works
from embervirt.drivers.storage.service.devices import check_wipe
from embervirt.drivers.storage.service.making import Making
from embervirt.drivers.storage.service.pools import Pools
from embervirt.drivers.storage.states import check
from embervirt.drivers.storage.store import Store
from embervirt.drivers.storage.tables import PoolRow, VolumeRow
from embervirt.errors import InvalidArgument

Key = tuple[str, str]
"""A pool's UUID and a volume's name."""


class Volumes(Actor):
    """The part of the actor that concerns volumes."""

    def __init__(self, context: Context, face: Face) -> None:
        super().__init__(context)
        self._face = face
        self._pools = Pools(Store(face.paths, context.fence), face.tables, context.fence)
        self._jobs = Jobs(self, face)
        self._made: set[Key] = set()
        self._used: list[Key] = []
        self._changing: dict[str, PoolRow] = {}
        self._looked: dict[str, set[str]] = {}
        self._transfers: dict[str, Future[None]] = {}

    # What is there.

    def _active(self, uuid: str) -> PoolRow:
        row = self._pools.find(uuid)
        check(row, "volumes")
        if uuid in self._changing:  # it is being stopped
            raise StorageInvalid(f"storage pool '{row.name}' is not active")
        return row

    def _busy(self, uuid: str) -> int:
        """How much is under way in a pool; also between two jobs of one request."""
        volumes = sum(key[0] == uuid for key in (*self._made, *self._used))
        return self._jobs.of(uuid) + volumes + (uuid in self._changing)

    def _volume(self, pool: PoolRow, name: str) -> VolumeRow:
        row = self._pools.volumes(pool.uuid).get(name)
        if row is None:
            raise NoStorageVolume(f"no storage vol with matching name '{name}'")
        return row

    def _idle(self, pool: PoolRow, name: str) -> VolumeRow:
        """One that nothing is done with. Raises NoStorageVolume, StorageInvalid."""
        if (pool.uuid, name) in self._made:
            raise StorageInvalid(f"volume '{name}' is still being allocated.")
        row = self._volume(pool, name)
        if (pool.uuid, name) in self._used or self._jobs.has(pool.uuid, name):
            raise StorageInvalid(f"volume '{name}' is still in use.")
        return row

    def _free(self, pool: PoolRow, name: str) -> VolumeRow:
        """One that no guest of this root uses either, whatever path its disk has.

        libvirt 9 wipes and deletes under a running guest, and leaves it to QEMU's lock to refuse the rest.
        Raises as ``_idle``, StorageInvalid naming the guest.
        """
        row = self._idle(pool, name)
        for lease in self._face.leases.of(row.path):
            raise StorageInvalid(f"volume '{name}' is in use by domain '{lease.guest}' (disk '{lease.disk}')")
        return row

    def _programs(self, job: Job) -> Programs:
        return Programs(job, self._face.paths.storage_run)

    @contextmanager
    def _using(self, *keys: Key) -> Iterator[None]:
        self._used += keys
        try:
            yield
        finally:
            for key in keys:
                self._used.remove(key)

    def _seen(self, pool: PoolRow, name: str) -> Work[None]:
        """Publish the volume as it is now."""
        hands = backend(pool.pool)
        _, end = self._jobs.begin(
            LOOK, pool.uuid, name, lambda job: hands.look_at(pool.pool, name, self._programs(job))
        )
        now, row = yield end
        self._pools.volume_is(pool.uuid, name, row, now)
        self._looked.get(pool.uuid, set()).add(name)

    @handles(messages.FindVolume)
    def find_volume(self, request: messages.FindVolume) -> FoundVolume:
        """Of a pool that is active."""
        return finding.volume(self._face.tables, request.pool, request.volume)

    @handles(messages.LookAtVolume)
    def look(self, request: messages.LookAtVolume) -> Work[None]:
        """As the file is."""
        pool = self._active(request.pool)
        self._volume(pool, request.name)
        yield from self._seen(pool, request.name)

    # Making.

    @handles(messages.CreateVolume)
    def create_volume(self, request: messages.CreateVolume) -> Work[VolumeRef]:
        """Whole, and listed, when this replies."""
        pool = self._active(request.pool)
        source = self._source(request.source)
        volume = placed(read_volume(request.xml, pool.pool, clone=source is not None), pool.pool)
        name, target = str(volume.name), Path(volume.path)
        self._check_free(pool, name, target)
        staged = target.with_name(staging.name_for_staging())
        scratch = self._face.paths.storage_run
        secret = None if source is None else self._secret(source.path)
        making = Making(pool.pool, volume, staged, target, scratch, request.flags, source, secret)
        work = works.create(making, self.context.fence, self.bus)
        what = "vol-create" if source is None else "vol-clone"
        sources = [] if request.source is None else [request.source]
        self._made.add((pool.uuid, name))
        try:
            with self._using(*sources):
                files = backend(pool.pool).devices is None
                yield self._changed(what, pool, name, work, staged if files else None)
            self._remember(volume)
            yield from self._seen(pool, name)
        finally:
            self._made.discard((pool.uuid, name))
        return VolumeRef(pool.uuid, name, self._volume(pool, name).key)

    def _secret(self, path: str) -> EncryptionSecret | None:
        """Which one has the passphrase of a volume, if somebody said so."""
        return self._face.tables.secrets.get(path)

    def _remember(self, volume: Volume) -> None:
        encryption = volume.target.encryption
        if encryption is None:
            self._face.tables.secrets.drop(self.context.fence, volume.path)
        else:
            self._face.tables.secrets.put(self.context.fence, volume.path, encryption.secrets[0])

    def _source(self, source: Key | None) -> VolumeRow | None:
        if source is None:
            return None
        pool = self._active(source[0])
        if source in self._made:
            raise StorageInvalid(f"volume '{source[1]}' is still being allocated.")
        return self._volume(pool, source[1])

    def _check_free(self, pool: PoolRow, name: str, target: Path) -> None:
        if name in self._pools.volumes(pool.uuid) or (pool.uuid, name) in self._made:
            raise exists(name)
        if os.path.lexists(target):
            raise StorageInvalid(f"volume target path '{target}' already exists")

    def _changed(
        self, what: str, pool: PoolRow, name: str, work: Any, staged: Path | None = None
    ) -> Future[None]:
        plan = {} if staged is None else {"staged": str(staged)}

        def checked(job: Job) -> None:
            backend(pool.pool).check(pool.pool)
            work(job)

        return self._jobs.begin(what, pool.uuid, name, checked, plan)[1]

    # Changing.

    @handles(messages.DeleteVolume)
    def delete_volume(self, request: messages.DeleteVolume) -> Work[None]:
        """Gone when this replies."""
        pool = self._active(request.pool)
        row = self._free(pool, request.name)
        scratch, fence = self._face.paths.storage_run, self.context.fence
        hidden = Path(row.path).with_name(staging.name_for_staging())
        work = works.delete(pool, row, hidden, scratch, fence, zeroed=request.zeroed)
        with self._using((pool.uuid, row.name)):
            files = backend(pool.pool).devices is None
            yield self._changed("vol-delete", pool, row.name, work, hidden if files else None)
            self._face.tables.secrets.drop(fence, row.path)
            yield from self._seen(pool, row.name)

    @handles(messages.ResizeVolume)
    def resize_volume(self, request: messages.ResizeVolume) -> Work[None]:
        """So large when this replies."""
        pool = self._active(request.pool)
        row = self._free(pool, request.name)
        capacity = changing.new_capacity(row, request.capacity, request.flags, pool.space)
        scratch, fence = self._face.paths.storage_run, self.context.fence
        secret = self._secret(row.path)
        work = works.resize(pool, row, capacity, request.flags, scratch, fence, self.bus, secret)
        with self._using((pool.uuid, row.name)):
            yield self._changed("vol-resize", pool, row.name, work)
            yield from self._seen(pool, row.name)

    @handles(messages.WipeVolume)
    def wipe_volume(self, request: messages.WipeVolume) -> Work[None]:
        """Overwritten when this replies."""
        pool = self._active(request.pool)
        row, how = self._free(pool, request.name), wiping(request.algorithm)
        check_wipe(row)
        with self._using((pool.uuid, row.name)):
            yield self._changed("vol-wipe", pool, row.name, lambda job: changing.wipe(job, row, how))
            yield from self._seen(pool, row.name)

    # Streams.

    @handles(messages.Transfer)
    def transfer(self, request: messages.Transfer) -> str:
        """Begun when this replies; ``Await`` tells its end."""
        pipe: int = self.bus.handover.take(request.token)
        try:
            pool = self._active(request.pool)
            row = (self._free if request.upload else self._idle)(pool, request.name)
            transferring.check(row, request.offset, request.length, upload=request.upload)
        except BaseException:
            os.close(pipe)
            raise
        staged = Path(row.path).with_name(staging.name_for_staging())
        part = request.offset, request.length

        def work(job: Job) -> None:
            try:
                backend(pool.pool).check(pool.pool)
                if request.upload:
                    wanted = transferring.Upload(row, pipe, *part, sparse=request.sparse)
                    transferring.upload(job, wanted, staged, self.context.fence)
                else:
                    transferring.download(job, row, pipe, *part, sparse=request.sparse)
            finally:
                os.close(pipe)

        what = "vol-upload" if request.upload else "vol-download"
        plan = {"staged": str(staged)}
        id_, end = self._jobs.begin(what, pool.uuid, row.name, work, plan, request.length or row.physical)
        over: Future[None] = Future()
        self._transfers[id_] = over
        self.work(self._transferred(pool, row.name, end, over))
        return id_

    def _transferred(self, pool: PoolRow, name: str, end: Future[None], over: Future[None]) -> Work[None]:
        """Its end is known to who waits for it when the volume was looked at."""
        error: BaseException | None = None
        with self._using((pool.uuid, name)):
            try:
                yield end
                yield from self._seen(pool, name)
            except Exception as failure:  # noqa: BLE001 - it is the waiting caller's, whatever it is
                error = failure
        if error is None:
            over.set_result(None)
        else:
            over.set_exception(error)

    @handles(messages.Await)
    def await_(self, request: messages.Await) -> Work[None]:
        """Its error, if it has one, is the reply."""
        over = self._transfers.get(request.job)
        if over is None:
            raise InvalidArgument(f"job {request.job!r} is none of this driver's transfers")
        try:
            yield over
        finally:
            self._transfers.pop(request.job, None)
