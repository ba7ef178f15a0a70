"""What goes over a stream's descriptor: bytes and nothing else, or frames that also tell of holes."""

from __future__ import annotations

import errno
import os
import threading
from typing import Literal

from embervirt.drivers.storage.backend import frames
from embervirt.errors import OperationInvalid

VIR_FROM_STREAMS = 38
AT_HOLE: Literal[-3] = -3
"""What ``recvFlags`` answers instead of a hole's zeroes."""

ENDED = (errno.EIO, errno.ECONNRESET)
"""What reading gives once the other end of a pty, or of a socket, is gone."""


class Bytes:
    """Of consoles, channels, files: there are no holes."""

    def read(self, descriptor: int, nbytes: int, *, stop: bool) -> bytes | int:
        """At most ``nbytes``, empty at the end. Raises OSError."""
        try:
            return os.read(descriptor, nbytes)
        except OSError as error:
            if error.errno in ENDED:
                return b""
            raise

    def write(self, descriptor: int, data: bytes) -> int:
        """How many bytes were taken. Raises OSError."""
        return os.write(descriptor, data)

    def read_hole(self, descriptor: int) -> int:
        """Raises OperationInvalid."""
        raise OperationInvalid("Holes are not supported with this stream", virdomain=VIR_FROM_STREAMS)

    def write_hole(self, descriptor: int, length: int) -> int:
        """Raises OperationInvalid."""
        raise OperationInvalid("Skipping is not supported with this stream", virdomain=VIR_FROM_STREAMS)


class Frames(Bytes):
    """Of a volume with SPARSE_STREAM; see ``drivers.storage.backend.frames``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._head, self._data, self._hole = b"", 0, 0

    def read(self, descriptor: int, nbytes: int, *, stop: bool) -> bytes | int:
        """The same; of a hole zeroes, or -3 with ``stop``."""
        with self._lock:
            if not self._next(descriptor):
                return b""
            if self._hole and stop:
                return AT_HOLE
            if self._hole:
                count = min(nbytes, self._hole)
                self._hole -= count
                return bytes(count)
            got = os.read(descriptor, min(nbytes, self._data))
            self._data -= len(got)
            return got

    def _next(self, descriptor: int) -> bool:
        """Whether there is more: data or a hole. Raises OSError."""
        while not (self._data or self._hole):
            while len(self._head) < frames.HEADER.size:
                got = os.read(descriptor, frames.HEADER.size - len(self._head))
                if not got:
                    return False
                self._head += got
            (kind, length), self._head = frames.HEADER.unpack(self._head), b""
            self._data, self._hole = (0, length) if kind == frames.HOLE else (length, 0)
        return True

    def write(self, descriptor: int, data: bytes) -> int:
        """As one message, so that it is taken as a whole or not at all."""
        taken = data[: frames.LONGEST]
        if taken:
            os.write(descriptor, frames.data(len(taken)) + taken)
        return len(taken)

    def read_hole(self, descriptor: int) -> int:
        """Its bytes; 0 at data and at the end."""
        with self._lock:
            length = self._hole if self._next(descriptor) else 0
            self._hole = 0
            return length

    def write_hole(self, descriptor: int, length: int) -> int:
        """Skip so many bytes; answers 0."""
        os.write(descriptor, frames.hole(length))
        return 0
