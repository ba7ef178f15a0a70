"""Which format an image file has: by its first bytes, as QEMU and libvirt tell it, and what it says then."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from embervirt.drivers.images import others
from embervirt.drivers.images.image import Image, Read
from embervirt.drivers.images.qcow import MAGIC, qcow

HEAD = 4096
"""Bytes that are read of every image."""

Reader = Callable[[bytes, Read], Image]
READERS: dict[bytes, tuple[bytes, Reader]] = {
    magic[:4]: (magic, reader)
    for magic, reader in {
        MAGIC: qcow,
        b"QED\0": others.qed,
        b"KDMV": others.vmdk,
        b"COWD": others.vmdk_old,
        b"# Disk DescriptorFile": others.vmdk_text,
        b"conectix": others.vpc,
        b"Bochs Virtual HD Image\0": others.bochs,
        b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop": others.cloop,
        b"LUKS\xba\xbe": others.luks,
    }.items()
}
"""By the first four bytes; then the whole magic is compared."""

PLOOPS = (b"WithoutFreeSpace", b"WithouFreSpacExt")
VDI_AT, VDI = 0x40, b"\x7f\x10\xda\xbe"
ISO_AT, ISO = 32769, b"CD001"
DMG, DMG_TRAILER, DMG_SECTORS = b"koly", 512, slice(492, 500)


def detect(head: bytes, read: Read) -> Image | None:
    """The image that begins with ``head``; None when nothing names a format. Raises OSError: damaged."""
    magic, reader = READERS.get(head[:4], (b"", None))
    if reader is not None and head.startswith(magic):
        return reader(head, read)
    if head[VDI_AT : VDI_AT + 4] == VDI:
        return others.vdi(head, read)
    if head.startswith(PLOOPS):
        return others.ploop(head, read)
    return Image("iso") if len(head) == HEAD and read(ISO_AT, len(ISO)) == ISO else None


def probe(descriptor: int, name: str = "") -> Image:
    """What an open file says; ``raw`` when it says nothing. ``name``: a dmg is known by it alone.

    Raises OSError: it cannot be read, or (EINVAL) its header is damaged.
    """
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)  # reading ahead takes longer than all the rest
    read = partial(_read, descriptor)
    head = read(0, HEAD)
    found = detect(head, read)
    if found is None:
        return _dmg(descriptor) if name.endswith(".dmg") else Image("raw")
    if found.encryption == "luks" and found.format == "raw":
        size = os.lseek(descriptor, 0, os.SEEK_END)
        return Image("raw", max(size - others.luks_payload(head), 0), encryption="luks")
    return found


def _read(descriptor: int, offset: int, length: int) -> bytes:
    return os.pread(descriptor, length, offset) if length else b""


def _dmg(descriptor: int) -> Image:
    """Apple's: a trailer at the end has the number of sectors."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    trailer = _read(descriptor, max(size - DMG_TRAILER, 0), DMG_TRAILER)
    if not trailer.startswith(DMG):
        return Image("raw")
    return Image("dmg", int.from_bytes(trailer[DMG_SECTORS], "big") * others.SECTOR)


def open_data(path: str) -> BinaryIO:
    """A file or block device, open for reading. Raises OSError: it is none, or something else (EINVAL).

    A FIFO or terminal is never waited for.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is neither a file nor a block device", path)
    return os.fdopen(descriptor, "rb")


def image_at(path: str) -> Image:
    """``probe`` of what is at a path. Raises OSError as ``open_data`` and ``probe``."""
    with open_data(path) as file:
        return probe(file.fileno(), path)
