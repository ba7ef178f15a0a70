"""How a stream that knows holes carries them: frames of a kind and a length, after ``DATA`` so many bytes.

In an upload each frame is one message of a SOCK_SEQPACKET socket, in a download they follow each other.
"""

from __future__ import annotations

import struct

HEADER = struct.Struct("<cq")
DATA, HOLE = b"d", b"h"
LONGEST = 1 << 16
"""Bytes of data in one message: less than any socket's buffer has."""


def data(length: int) -> bytes:
    """So many bytes follow."""
    return HEADER.pack(DATA, length)


def hole(length: int) -> bytes:
    """So many bytes are a hole."""
    return HEADER.pack(HOLE, length)


def parsed(message: bytes) -> bytes | int:
    """A message's data, or the length of its hole."""
    kind, length = HEADER.unpack_from(message)
    return length if kind == HOLE else message[HEADER.size :]
