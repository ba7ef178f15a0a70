"""Volumes, opened: files and devices, never what a name or link leads to instead."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from embervirt.disk import File
from embervirt.drivers.storage.backend import devices
from embervirt.drivers.storage.service import staging
from embervirt.drivers.storage.tables import VolumeRow


def to_read(row: VolumeRow) -> AbstractContextManager[int]:
    """Raises OSError."""
    return devices.to_read(row) if devices.is_device(row) else staging.to_read(Path(row.path))


def in_place(row: VolumeRow) -> AbstractContextManager[File]:
    """To be changed where it is. Raises OSError: of a device EBUSY while it is mounted, say."""
    return devices.in_place(row) if devices.is_device(row) else staging.in_place(Path(row.path))
