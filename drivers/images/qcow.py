"""The headers of qcow2 and qcow; all numbers in them are big-endian.

Source: QEMU's docs/interop/qcow2.txt; of qcow, its description of version 1.
"""

from __future__ import annotations

import struct

from embervirt.drivers.images.image import Image, Read, backing_text

MAGIC = b"QFI\xfb"
HEADER = struct.Struct(">4sIQIIQI")
"""Magic, version, offset and length of the backing file's name, cluster bits, bytes, encryption."""

FEATURES = struct.Struct(">QQ12xI")
"""At FEATURES_AT of version 3: features, incompatible and compatible; length of the header."""

FIRST_VERSION, SHORT_HEADER, FEATURES_AT, LONG_HEADER = 2, 72, 72, 104
EXTERNAL_DATA, EXTENDED_L2, LAZY_REFCOUNTS = 1 << 2, 1 << 4, 1 << 0
ENCRYPTION = {0: None, 1: "qcow", 2: "luks"}
SMALLEST, LARGEST = 9, 30
"""Cluster bits that can be."""

EXTENSION = struct.Struct(">II")
BACKING_FORMAT, DATA_FILE, END = 0xE2792ACA, 0x44415441, 0
LONGEST_NAME, LONGEST_EXTENSIONS = 1023, 65536

OLD = struct.Struct(">4sIQIIQBBHI")
"""Of qcow: magic, version, offset and length of the name, time, bytes, cluster and l2 bits, -, encryption."""


def qcow(head: bytes, read: Read) -> Image:
    """By its version; what is too short for a header is raw."""
    version = int.from_bytes(head[4:8], "big")
    if version == 1 and len(head) >= OLD.size:
        return _first(head, read)
    if len(head) < SHORT_HEADER or version < FIRST_VERSION:
        return Image("raw")
    return _second(head, read, version)


def _first(head: bytes, read: Read) -> Image:
    _, _, offset, length, _, size, bits, _, _, method = OLD.unpack_from(head)
    backing = backing_text(read, offset, length, LONGEST_NAME)
    return Image("qcow", size, backing, encryption=ENCRYPTION.get(method), cluster_size=_cluster(bits))


def _second(head: bytes, read: Read, version: int) -> Image:
    _, _, offset, length, bits, size, method = HEADER.unpack_from(head)
    incompatible, compatible, end = 0, 0, SHORT_HEADER
    if version > FIRST_VERSION and len(head) >= LONG_HEADER:
        incompatible, compatible, end = FEATURES.unpack_from(head, FEATURES_AT)
    found = _extensions(head, read, end, offset or (1 << bits if bits <= LARGEST else 0))
    return Image(
        "qcow2",
        size,
        backing_text(read, offset, length, LONGEST_NAME),
        _text(found.get(BACKING_FORMAT)),
        ENCRYPTION.get(method),
        "1.1" if version > FIRST_VERSION else None,
        _cluster(bits),
        bool(compatible & LAZY_REFCOUNTS),
        bool(incompatible & EXTENDED_L2),
        _text(found.get(DATA_FILE)) if incompatible & EXTERNAL_DATA else None,
    )


def _cluster(bits: int) -> int | None:
    return 1 << bits if SMALLEST <= bits <= LARGEST else None


def _extensions(head: bytes, read: Read, start: int, end: int) -> dict[int, bytes]:
    """Those between the header and the backing file's name, or the first cluster's end; by their kind."""
    length = min(max(end - start, 0), LONGEST_EXTENSIONS)
    data = head[start : start + length]
    found = _parsed(data)
    return found if END in found or len(data) == length else _parsed(read(start, length))


def _parsed(data: bytes) -> dict[int, bytes]:
    """Up to the mark of the end, or as many as there are."""
    found: dict[int, bytes] = {}
    at, last = EXTENSION.size, len(data)
    while at <= last:
        kind, length = EXTENSION.unpack_from(data, at - EXTENSION.size)
        found[kind] = data[at : at + length]
        if kind == END:
            break
        at += EXTENSION.size + (length + 7) // 8 * 8
    return found


def _text(data: bytes | None) -> str | None:
    return data.decode(errors="surrogateescape") if data else None
