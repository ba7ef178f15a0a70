"""Images that are only their headers."""

from __future__ import annotations

import struct
from pathlib import Path

from embervirt.drivers.images.qcow import BACKING_FORMAT, DATA_FILE, EXTERNAL_DATA, FEATURES_AT, MAGIC

LENGTH = 104
CLUSTER_BITS = 16
UNKNOWN = 0x6803F857
"""The extension that names features."""


def qcow2(
    path: Path, backing: str | None = None, format_: str | None = None, *, data_file: str | None = None
) -> str:
    """A file with a header of version 3, and what it says of the image below and of where its data is."""
    extensions = {UNKNOWN: "x", BACKING_FORMAT: format_, DATA_FILE: data_file}
    told = b"".join(_extension(kind, said.encode()) for kind, said in extensions.items() if said)
    told += _extension(0, b"")
    name = (backing or "").encode()
    offset = LENGTH + len(told) if name else 0
    start = struct.pack(">4sIQII", MAGIC, 3, offset, len(name), CLUSTER_BITS).ljust(FEATURES_AT, b"\0")
    start += struct.pack(">Q", EXTERNAL_DATA if data_file else 0)
    path.write_bytes(start.ljust(LENGTH - 4, b"\0") + struct.pack(">I", LENGTH) + told + name)
    return str(path)


def _extension(kind: int, said: bytes) -> bytes:
    return struct.pack(">II", kind, len(said)) + said.ljust((len(said) + 7) // 8 * 8, b"\0")
