"""Images that are only their headers."""

from __future__ import annotations

import struct
from pathlib import Path

from embervirt.drivers.images.qcow import BACKING_FORMAT, MAGIC

LENGTH = 104


def qcow2(path: Path, backing: str | None = None, format_: str | None = None) -> str:
    """A file with a header of version 3, and what the header says of the image below."""
    named = b"" if format_ is None else format_.encode()
    extension = struct.pack(">II", 0x6803F857, 1) + b"x".ljust(8, b"\0")
    if named:
        extension += struct.pack(">II", BACKING_FORMAT, len(named))
        extension += named.ljust((len(named) + 7) // 8 * 8, b"\0")
    extension += struct.pack(">II", 0, 0)
    name = (backing or "").encode()
    offset = LENGTH + len(extension) if name else 0
    start = struct.pack(">4sIQI", MAGIC, 3, offset, len(name)).ljust(LENGTH - 4, b"\0")
    path.write_bytes(start + struct.pack(">I", LENGTH) + extension + name)
    return str(path)
