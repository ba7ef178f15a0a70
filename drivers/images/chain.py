"""Images below an image, by what their headers say: that they are there, are what they are called, and end.

Looked at before QEMU or qemu-img is, which would follow a chain without end until it has no descriptors left,
open whatever a header names, and guess formats. What is called raw is never looked into, for its guest writes
what stands there. What an image on a server lies upon only QEMU can read. All errors name the file.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from embervirt.constants import VIR_FROM_STORAGE
from embervirt.drivers.images.image import Image
from embervirt.drivers.images.naming import Named, named
from embervirt.drivers.images.probing import image_at
from embervirt.errors import ConfigUnsupported, InternalError, OperationInvalid, SystemError_

MOST = 200
"""Images of a chain, as in libvirt."""

KNOWN_BY_HEADER = ("qcow2", "qcow", "qed", "vdi")
"""Formats that every image of theirs begins with; of others some have no header, or it is at the end."""

BACKED = ("qcow2", "qcow", "qed", "vmdk")
"""Formats of which an image can lie upon another."""

KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a character device",
}
"""What is no image, by the type of a file."""

Seen = set[str]
"""What the images of a chain really are: device and inode, or the number of a block device."""


class Link(NamedTuple):
    """An image that lies below ``above``, of that format in QEMU's word."""

    named: Named
    format: str
    above: str


def below(path: str | None, format_: str, seen: Seen) -> Iterator[Link]:
    """The images under one of that format, each looked into when the next one is wanted.

    Raises SystemError_ for a file that cannot be read, InternalError for a chain that does not end or leads
    where nobody can follow, OperationInvalid for one whose formats cannot be known or are others than are
    said, ConfigUnsupported for an image that keeps its data elsewhere.
    """
    while path is not None and (said := looked_at(path, format_)).backing is not None:
        found = named(said.backing, path)
        above, path = path, found.path
        if path is not None:
            note(path, seen, above)
        format_ = said.backing_format or found.format or _guessed(path, above)
        yield Link(found, format_, above)


def looked_at(path: str, format_: str) -> Image:
    """What an image of that format says, if one of that format can lie upon another. Raises as ``below``."""
    if format_ not in (*KNOWN_BY_HEADER, *BACKED):
        return Image(format_)
    said = _header(path)
    if said.format != format_ and (format_ in KNOWN_BY_HEADER or said.format != "raw"):
        text = f"'{path}' is no {format_} image, as it is said to be: its header is that of {said.format}"
        raise OperationInvalid(text, virdomain=VIR_FROM_STORAGE)
    if said.data_file is not None:
        text = f"image '{path}' keeps its data in another file, {said.data_file!r}"
        raise ConfigUnsupported(f"{text}: expected one that has them itself", virdomain=VIR_FROM_STORAGE)
    return said if said.format == format_ else Image(format_)


def note(path: str, seen: Seen, above: str | None = None, *, characters: bool = False) -> None:
    """Remember an image by what it really is; the same one twice is a chain without an end.

    Whoever opens a FIFO waits for a writer: QEMU would hang. A character device does things when opened, and
    may be one only where somebody said so (``characters``), as of a SCSI unit. Raises as ``below``.
    """
    text = f"Cannot access backing file '{path}' of storage file '{above}'"
    text = text if above else f"Cannot access storage file '{path}'"
    try:
        real = Path(path).stat()
    except OSError as error:
        raise _system(text, error) from error
    kind = stat.S_IFMT(real.st_mode)
    if kind in KINDS and not (characters and kind == stat.S_IFCHR):
        raise SystemError_(f"{text}: it is {KINDS[kind]}", int1=errno.EINVAL, virdomain=VIR_FROM_STORAGE)
    identity = f"block {real.st_rdev}" if stat.S_ISBLK(real.st_mode) else f"{real.st_dev}:{real.st_ino}"
    if identity in seen or len(seen) >= MOST:
        text = f"backing store for {above or path} is self-referential or too deeply nested"
        raise InternalError(f"{text}: image '{path}'", virdomain=VIR_FROM_STORAGE)
    seen.add(identity)


def _header(path: str) -> Image:
    try:
        return image_at(path)
    except OSError as error:
        raise _system(f"cannot read header '{path}'", error) from error


def _guessed(path: str | None, above: str) -> str:
    """The format of an image below that nobody named: believed only where it leads to no other file.

    libvirt 9 does the same; it takes any format for that, but an image that its guest writes as raw may begin
    like any of them.
    """
    said = _header(path) if path is not None else None
    if said is not None and said.format in ("raw", "qcow2") and not said.backing and not said.data_file:
        return said.format
    text = f"format of backing image '{path}' of image '{above}' was not specified in the image metadata"
    raise OperationInvalid(text, virdomain=VIR_FROM_STORAGE)


def _system(text: str, error: OSError) -> SystemError_:
    return SystemError_(f"{text}: {error.strerror}", int1=error.errno or -1, virdomain=VIR_FROM_STORAGE)
