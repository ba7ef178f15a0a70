"""A thread without a privilege, and with it all that is started from there."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

NET_ADMIN = 12
"""capabilities(7)."""

VERSION = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3: two words each of effective, permitted, inheritable."""

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def without(capability: int) -> Iterator[None]:
    """This thread may not use it until the end. Programs that root executes have it again."""
    header, data = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
    _checked(_libc.capget(header, data))
    word, bit = capability // 32 * 3, 1 << capability % 32
    before = data[word]
    data[word] &= ~bit
    _checked(_libc.capset(header, data))
    try:
        yield
    finally:
        data[word] = before
        _checked(_libc.capset(header, data))


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), "capabilities")
