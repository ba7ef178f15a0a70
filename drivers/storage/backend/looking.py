"""The volumes of a directory: each file is looked into once, and again when it has changed."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from embervirt.drivers.images import Image, probe
from embervirt.drivers.images.naming import named
from embervirt.drivers.storage.tables import BLOCK, DIR, FILE, BelowRow, Stamp, VolumeRow
from embervirt.drivers.storage.validate.names import staged
from embervirt.errors import InternalError
from embervirt.log import get_logger

RAW = Image("raw")
SECTOR = 512
"""Bytes of ``st_blocks``."""

_KINDS = {stat.S_IFREG: FILE, stat.S_IFBLK: BLOCK, stat.S_IFDIR: DIR}
_UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
"""Control characters, which libvirt passes over too, and what is not UTF-8: no XML can have them."""

_PASSED = (errno.ENOENT, errno.ELOOP, errno.EACCES, errno.ENXIO)
"""A link that leads nowhere, a file that went meanwhile or may not be read: no volume, and no error."""


def volumes(directory: str, known: Mapping[str, VolumeRow]) -> dict[str, VolumeRow]:
    """By name. Names with control characters, or that are not UTF-8, are none of ours. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    rows = {}
    try:
        with os.scandir(descriptor) as entries:
            for each in entries:
                name = each.name
                before = known.get(name)
                plain = before is None and each.is_file(follow_symlinks=False)
                row = None if staged(name) else _row(descriptor, directory, name, before, plain)
                if row is not None:
                    rows[name] = row
        return rows
    finally:
        os.close(descriptor)


def one(directory: str, name: str) -> VolumeRow | None:
    """The volume of that name as it is now; None when there is none. Raises OSError."""
    return volumes_of(directory, [name]).get(name)


def volumes_of(directory: str, names: list[str]) -> dict[str, VolumeRow]:
    """Only these, looked at anew. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        rows = (_row(descriptor, directory, name, None, False) for name in names)
        return {row.name: row for row in rows if row is not None}
    finally:
        os.close(descriptor)


def stamp(found: os.stat_result) -> Stamp:
    """Of a file."""
    return (
        found.st_dev, found.st_ino, found.st_size, found.st_blocks, found.st_mtime_ns, found.st_ctime_ns,
    )  # fmt: skip


def _row(directory: int, path: str, name: str, known: VolumeRow | None, plain: bool) -> VolumeRow | None:
    """``plain``: the directory says that it is a regular file, so one may open it without a look before."""
    try:
        if not plain:
            found = os.stat(name, dir_fd=directory)
            if known is not None and known.stamp == stamp(found):
                return _again(known)
            if stat.S_IFMT(found.st_mode) not in _KINDS:
                return None
        return None if unshown(name) else _looked_into(directory, path, name)
    except OSError as error:
        if error.errno not in _PASSED:
            raise
        get_logger(driver="storage").debug("no volume", file=f"{path}/{name!r}", error=str(error))
        return None


def _again(known: VolumeRow) -> VolumeRow:
    """One that has not changed, though what it lies upon may have."""
    if known.image.backing is None:
        return known
    return structs.replace(known, below=_below(known.image.backing, known.path))


def _below(name: str, above: str) -> BelowRow | None:
    """The file of that name in the header of ``above``; None for a server, and for what is not there."""
    try:
        path = named(name, above).path
        found = None if path is None else Path(path).stat()
    except (InternalError, OSError):
        return None
    if path is None or found is None:
        return None
    mode = stat.S_IMODE(found.st_mode)
    return BelowRow(path, stamp(found), mode, found.st_uid, found.st_gid, found.st_atime_ns)


def unshown(name: str) -> bool:
    """Whether no XML can have it."""
    return not name.isprintable() and _UNSHOWN.search(name) is not None


def _looked_into(directory: int, path: str, name: str) -> VolumeRow | None:
    """A pipe or terminal that took a file's place just now is not waited for, and no volume."""
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
    try:
        found = os.fstat(descriptor)
        kind = _KINDS.get(stat.S_IFMT(found.st_mode))
        return None if kind is None else seen(found, kind, path, name, _image(descriptor, name, found, kind))
    finally:
        os.close(descriptor)


def _image(descriptor: int, name: str, found: os.stat_result, kind: int) -> Image:
    if kind == FILE and not found.st_blocks and not (found.st_size and _has_data(descriptor)):
        return RAW
    return image(descriptor, name, kind)


def _has_data(descriptor: int) -> bool:
    """Asked of a file without blocks, which may keep its bytes elsewhere: reading a hole takes long."""
    try:
        os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError as error:
        return error.errno != errno.ENXIO
    return True


def image(descriptor: int, name: str, kind: int) -> Image:
    """What an open file says of itself; of a damaged one only its bytes are believed. Raises OSError."""
    if kind == DIR:
        return Image("dir")
    try:
        return probe(descriptor, name)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        get_logger(driver="storage").warning("image is damaged", file=name, error=error.strerror)
        return Image("raw")


def seen(found: os.stat_result, kind: int, path: str, name: str, image: Image) -> VolumeRow:
    """The row of a file."""
    size, allocation = (0, 0) if kind == DIR else (found.st_size, found.st_blocks * SECTOR)
    capacity = size if image.capacity is None else image.capacity
    below = None if image.backing is None else _below(image.backing, f"{path}/{name}")
    return VolumeRow(
        name, f"{path}/{name}", kind, capacity, allocation, size, image, stamp(found),
        stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_atime_ns, below=below,
    )  # fmt: skip
