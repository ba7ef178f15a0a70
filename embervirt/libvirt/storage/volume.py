"""``virStorageVol``: a handle on one volume by its pool's UUID and its name."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from embervirt.drivers.storage import messages
from embervirt.drivers.storage.errors import StorageArgument
from embervirt.drivers.storage.tables import VolumeRow
from embervirt.errors import InternalError, InvalidArgument, libvirtError
from embervirt.libvirt.flags import only
from embervirt.libvirt.holes import Frames
from embervirt.libvirt.reporting import Told
from embervirt.libvirt.storage.base import StorageConnection
from embervirt.libvirt.stream import PORTION, Far, virStream
from embervirt.libvirt.unbuilt import VOLUME, unbuilt

if TYPE_CHECKING:
    from embervirt.libvirt.connect import virConnect
    from embervirt.libvirt.storage.pool import virStoragePool

PIPE = 1 << 20
"""Bytes that wait in the pipe of an upload or download, if the system gives so many."""

F_SETPIPE_SZ = 1031
SPARSE_STREAM = 1
ZEROED = 1


class virStorageVol(Told):
    """Made by look-ups and by creating; any thread may use it."""

    streamBufSize = PORTION  # noqa: N815 - libvirt-python's
    """Bytes that libvirt-python's own helpers of streams move at a time."""

    def __init__(self, conn: StorageConnection, pool: str, pool_name: str, name: str, key: str) -> None:
        self._conn, self._pool, self._pool_name = conn, pool, pool_name
        self._name, self._key = name, key

    def __repr__(self) -> str:
        return f"<virStorageVol {self._name} of {self._pool_name}>"

    def connect(self) -> virConnect:
        """The connection it was looked up on."""
        return cast("virConnect", self._conn)

    @property
    def _key_of_row(self) -> tuple[str, str]:
        return self._pool, self._name

    @property
    def _row(self) -> VolumeRow:
        return self._conn._volume_row(self._pool, self._name)

    def name(self) -> str:
        """Unique in its pool."""
        return self._name

    def key(self) -> str:
        """Unique among all volumes: of a file its path."""
        return self._key

    def path(self) -> str:
        """Where it is on this host."""
        return self._row.path

    def storagePoolLookupByVolume(self) -> virStoragePool:
        """The pool it is in."""
        return self.connect().storagePoolLookupByUUIDString(self._pool)

    def XMLDesc(self, flags: int = 0) -> str:
        """As it is."""
        only(flags, 0, "XMLDesc")
        row, storage = self._fresh(), self._conn._storage
        secrets = self._conn._usages() if row.image.encryption else ()
        return storage.volume_xml(row, self._conn._pool_row(self._pool), secrets)

    def info(self) -> list[int]:
        """``[type, capacity, allocation]``: virStorageVolType, and bytes."""
        return self.infoFlags(0)

    def infoFlags(self, flags: int = 0) -> list[int]:
        """The same; with GET_PHYSICAL (1) the length of the file instead of what it uses on disk."""
        only(flags, 1, "infoFlags")
        row = self._fresh()
        return [row.kind, row.capacity, row.physical if flags & 1 else row.allocation]

    def _fresh(self) -> VolumeRow:
        """Looked at again: a guest may have written to it."""
        row = self._row
        if not self._conn._storage.unchanged(row):
            self._conn.root.call("storage", messages.LookAtVolume(self._pool, self._name))
            row = self._row
        return row

    def delete(self, flags: int = 0) -> int:
        """Its data is gone when this returns; with ZEROED (1), which libvirt refuses, overwritten before."""
        only(flags, ZEROED, "delete")
        request = messages.DeleteVolume(self._pool, self._name, zeroed=bool(flags))
        self._conn._do("virStorageVolDelete", request)
        return 0

    def resize(self, capacity: int, flags: int = 0) -> int:
        """To ``capacity`` bytes, or by so many (DELTA, 2); ALLOCATE (1), SHRINK (4)."""
        only(flags, 7, "resize")
        if capacity == 0 and not flags & 6:
            raise StorageArgument("capacity in resize must be greater than zero")
        self._conn._do("virStorageVolResize", messages.ResizeVolume(self._pool, self._name, capacity, flags))
        return 0

    def wipe(self, flags: int = 0) -> int:
        """Overwrite it with zeroes."""
        return self.wipePattern(0, flags)

    def wipePattern(self, algorithm: int, flags: int = 0) -> int:
        """The same by one of virStorageVolWipeAlgorithm; TRIM (9) is none here, as in libvirt."""
        only(flags, 0, "wipePattern")
        self._conn._do("virStorageVolWipe", messages.WipeVolume(self._pool, self._name, algorithm))
        return 0

    # Streams.

    def upload(self, stream: virStream, offset: int, length: int, flags: int = 0) -> int:
        """Connect ``stream`` to its bytes from ``offset`` on; 0 is any length. ``finish`` waits for the disk.

        What ends by ``abort``, or finds no room, has changed nothing, unless all of that part had room.
        With SPARSE_STREAM (1) ``sendHole`` skips, and what was skipped is zero.
        """
        only(flags, SPARSE_STREAM, "upload")
        self._conn._check_writable("virStorageVolUpload")
        reader, writer = _messages() if flags else _pipe()
        self._transfer(stream, reader, writer, (offset, length), upload=True, sparse=bool(flags))
        return 0

    def download(self, stream: virStream, offset: int, length: int, flags: int = 0) -> int:
        """Connect ``stream`` to its bytes from ``offset`` on; 0 is up to the end.

        With SPARSE_STREAM (1) holes are told: see ``recvFlags``.
        """
        only(flags, SPARSE_STREAM, "download")
        self._conn._check_writable("virStorageVolDownload")
        reader, writer = _pipe()
        self._transfer(stream, writer, reader, (offset, length), upload=False, sparse=bool(flags))
        return 0

    def _transfer(
        self,
        stream: virStream,
        theirs: int,
        ours: int,
        part: tuple[int, int],
        *,
        upload: bool,
        sparse: bool,
    ) -> None:
        if not isinstance(stream, virStream):
            os.close(theirs)
            os.close(ours)
            raise InvalidArgument(f"a virStream is needed for volume '{self._name}', not {stream!r}")
        root = self._conn.root
        token = root.bus.handover.put(theirs, time.monotonic() + root.bus.seconds)
        try:
            request = messages.Transfer(self._pool, self._name, token, *part, upload, sparse)
            job = root.call("storage", request)
        except BaseException:
            os.close(ours)
            with suppress(InternalError):  # the driver has it, and closed it
                os.close(root.bus.handover.take(token))
            raise
        far = _Far(self._conn, job)
        try:
            stream.attach(ours, far=far, form=Frames() if sparse else None)
        except libvirtError:
            far.abort(wait=True)
            raise

    if not TYPE_CHECKING:  # a type checker is to see what there is

        def __getattr__(self, name):
            return unbuilt(name, VOLUME, self)


class _Far(Far):
    """The job at the other end of a stream."""

    def __init__(self, conn: StorageConnection, job: str) -> None:
        self._conn, self._job = conn, job
        self._lock = threading.Lock()
        self._outcome: tuple[libvirtError | None] | None = None

    def finish(self) -> None:
        """Wait for its end, and raise its error."""
        error = self.why()
        if error is not None:
            raise error

    def abort(self, *, wait: bool) -> None:
        """Nothing of it counts; with ``wait`` it is over when this returns."""
        if self._conn._lease.open:
            self._conn._give_up(self._job)
            if wait:
                self.why()

    def why(self) -> libvirtError | None:
        """What ended it; the driver tells that once."""
        with self._lock:
            if self._outcome is None:
                self._outcome = (self._asked(),)
            return self._outcome[0]

    def _asked(self) -> libvirtError | None:
        try:
            self._conn.root.call("storage", messages.Await(self._job))
        except libvirtError as error:
            return error
        return None


def _messages() -> tuple[int, int]:
    """The same for frames, each of which goes through as a whole."""
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    return reader.detach(), writer.detach()


def _pipe() -> tuple[int, int]:
    """Reader and writer, of a good size."""
    reader, writer = os.pipe()
    for each in (reader, writer):
        os.set_blocking(each, False)
    try:
        fcntl.fcntl(writer, F_SETPIPE_SZ, PIPE)
    except OSError:  # beyond what this user may have: the usual size works too
        return reader, writer
    return reader, writer
