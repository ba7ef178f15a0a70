"""Unix sockets at any path: an address holds 107 bytes, a root's path may be longer.

A longer path is reached through a descriptor of its directory, as ``/proc/self/fd/N/NAME``. That means
nothing to another process, so QEMU is given the bound socket itself. At its end QEMU removes the file of a
listening socket it was given, if the address is the file's path; one bound the long way stays.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embervirt import disk

ADDRESS_MAX = 107
"""Bytes of path in a Unix socket's address, without the final NUL (unix(7): ``sun_path`` is 108)."""

PRIVATE = 0o600


def listen(path: Path, backlog: int = 1) -> socket.socket:
    """A socket bound at ``path``, mode 0600 under any umask, already accepting connections into its queue.

    The caller owns the socket and the file. OSError when the file exists (EADDRINUSE) or cannot be made.
    """
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        # Before the bind, so that the file is never more open; after it, because a umask may take from that.
        os.fchmod(bound.fileno(), PRIVATE)
        with _address(path) as address:
            bound.bind(address)
        disk.set_mode(path, PRIVATE)
        bound.listen(backlog)
    except OSError:
        bound.close()
        raise
    return bound


def connect(path: Path) -> socket.socket:
    """A non-blocking socket connected to the listener at ``path``, the caller's to close.

    Never waits: OSError when nobody listens (ECONNREFUSED, ENOENT) or the listener's queue is full (EAGAIN).
    """
    near = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        with _address(path) as address:
            near.connect(address)
    except OSError:
        near.close()
        raise
    return near


@contextmanager
def _address(path: Path) -> Iterator[str]:
    if len(os.fsencode(path)) <= ADDRESS_MAX:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
