"""What an image file says of itself: its format, and the image that it lies upon.

Source: QEMU's docs/interop/qcow2.txt. Only qcow2 is looked into; all numbers in it are big-endian.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"QFI\xfb"
HEADER = struct.Struct(">4sIQI")
"""Magic, version, offset and length of the backing file's name."""

FIRST_VERSION, SHORT_HEADER, LENGTH_AT = 2, 72, 100
"""Version 2 has a header of 72 bytes; later ones say at byte 100 how long theirs is."""

EXTENSION = struct.Struct(">II")
BACKING_FORMAT, END = 0xE2792ACA, 0
LONGEST_NAME, LONGEST_EXTENSIONS = 1023, 65536
FURTHEST = 2**62


@dataclass(frozen=True)
class Header:
    """Of an image: ``backing`` is the text in it, ``backing_format`` what the image below is said to be."""

    format: str
    backing: str | None = None
    backing_format: str | None = None


def header(path: str) -> Header:
    """What is no qcow2 is raw. Raises OSError for a file that cannot be read, and for a damaged header."""
    with Path(path).open("rb") as file:
        start = file.read(LENGTH_AT + 4)
        if len(start) < SHORT_HEADER or not start.startswith(MAGIC):
            return Header("raw")
        _, version, offset, length = HEADER.unpack_from(start)
        if not offset:
            return Header("qcow2")
        end_of_header = SHORT_HEADER
        if version > FIRST_VERSION and len(start) == LENGTH_AT + 4:
            end_of_header = int.from_bytes(start[LENGTH_AT:], "big")
        found = _extensions(file, end_of_header, offset).get(BACKING_FORMAT)
        file.seek(min(offset, FURTHEST))
        name = file.read(min(length, LONGEST_NAME + 1))
    if not 0 < length == len(name) <= LONGEST_NAME or b"\0" in name:
        raise OSError(errno.EINVAL, "the name of the image below is damaged")
    return Header("qcow2", _text(name), _text(found) if found else None)


def _extensions(file: BinaryIO, start: int, end: int) -> dict[int, bytes]:
    """Those between the header and the name of the backing file, by their kind."""
    file.seek(start)
    data, found, at = file.read(min(max(end - start, 0), LONGEST_EXTENSIONS)), {}, 0
    while at + EXTENSION.size <= len(data):
        kind, length = EXTENSION.unpack_from(data, at)
        if kind == END:
            break
        at += EXTENSION.size
        found[kind] = data[at : at + length]
        at += (length + 7) // 8 * 8
    return found


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
