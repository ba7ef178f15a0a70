"""Volumes that are devices, opened: whatever link leads there, only what is known to be the volume is."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embervirt.disk import File
from embervirt.drivers.storage.backend.looking import SECTOR
from embervirt.drivers.storage.backend.protocol import Area
from embervirt.drivers.storage.tables import BLOCK, DeviceRow, VolumeRow

EXTENDED = "extended"
SYSFS = Path("/sys/dev/block")
"""What the kernel says of each block device, by its numbers."""


def is_device(row: VolumeRow) -> bool:
    """Whether it is a logical volume or a partition: a device node in a directory is neither."""
    return row.kind == BLOCK and row.device is not None


def device_size(found: os.stat_result) -> int:
    """Bytes of a block device; 0 when the kernel does not say."""
    said = _said(_entry(found) / "size")
    return int(said) * SECTOR if said.isdecimal() else 0


def _entry(found: os.stat_result) -> Path:
    return SYSFS / f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"


@contextmanager
def in_place(row: VolumeRow) -> Iterator[File]:
    """To be written, if nobody else has claimed it. Raises OSError: EBUSY while it is mounted, say."""
    with _opened(row, os.O_RDWR | os.O_EXCL) as descriptor:
        yield File(descriptor, Path(row.path), Path(row.path))


@contextmanager
def whole(area: Area) -> Iterator[File]:
    """The device of an area, to be written there and nowhere else; others may use it elsewhere."""
    descriptor = os.open(area.device, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISBLK(os.fstat(descriptor).st_mode):
            raise OSError(errno.ENOTBLK, os.strerror(errno.ENOTBLK), area.device)
        yield File(descriptor, Path(area.device), Path(area.device))
    finally:
        os.close(descriptor)


@contextmanager
def to_read(row: VolumeRow) -> Iterator[int]:
    """Raises OSError."""
    with _opened(row, os.O_RDONLY) as descriptor:
        yield descriptor


@contextmanager
def _opened(row: VolumeRow, flags: int) -> Iterator[int]:
    if row.device is not None and row.device.format == EXTENDED:
        text = f"volume '{row.name}' is an extended partition: what can be written to are those in it"
        raise OSError(errno.EINVAL, text, row.path)
    descriptor = os.open(row.path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if row.device is None or not _is(descriptor, row.device):
            raise OSError(errno.ESTALE, f"what is at '{row.path}' is not volume '{row.name}'", row.path)
        yield descriptor
    finally:
        os.close(descriptor)


def _is(descriptor: int, device: DeviceRow) -> bool:
    """By LVM's UUID in the name that device-mapper keeps, or by where the partition lies."""
    found = os.fstat(descriptor)
    if not stat.S_ISBLK(found.st_mode):
        return False
    entry = _entry(found)
    if device.uuid:
        name = _said(entry / "dm/uuid")
        return name.startswith("LVM-") and name.endswith(device.uuid.replace("-", ""))
    ((disk, start, end),) = device.extents
    whole = Path(disk).stat().st_rdev
    above = _said(entry.resolve().parent / "dev")
    begins, length = _said(entry / "start"), _said(entry / "size")
    return (above, begins, length) == (
        f"{os.major(whole)}:{os.minor(whole)}", str(start // SECTOR), str((end - start) // SECTOR),
    )  # fmt: skip


def _said(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
