"""The XML of pools and volumes as they are."""

from __future__ import annotations

from embervirt.drivers.images import Image
from embervirt.drivers.storage.model import (
    BackingStore,
    Encryption,
    Permissions,
    Pool,
    PoolTarget,
    Timestamps,
    Volume,
    VolumeFeatures,
    VolumeTarget,
)
from embervirt.drivers.storage.model.kinds import VOLUME_TYPES
from embervirt.drivers.storage.model.source import Format
from embervirt.drivers.storage.tables import PoolRow, VolumeRow
from embervirt.drivers.xml import render, replace

SECOND = 1_000_000_000
ENCRYPTIONS = ("luks", "qcow")
"""Formats of encryption that libvirt's XML has a word for, of those an image may have."""


def pool_xml(row: PoolRow) -> str:
    """With its space, and the permissions of its directory, as they were seen last."""
    space = row.space
    pool: Pool = replace(
        row.pool, capacity=space.capacity, allocation=space.allocation, available=space.available
    )
    if row.permissions is not None and pool.target is not None:
        label = pool.permissions.label
        seen = replace(row.permissions, label=label)
        pool = replace(pool, target=PoolTarget(path=pool.target.path, permissions=seen))
    return render(pool)


def volume_xml(row: VolumeRow, pool: PoolRow) -> str:
    """As it was seen last."""
    return render(volume(row, pool.pool))


def volume(row: VolumeRow, pool: Pool) -> Volume:
    """The description of a volume that is there."""
    image = row.image
    formats = pool.kind.volume_formats
    return Volume(
        type=VOLUME_TYPES[row.kind],
        name=row.name,
        key=row.key,
        capacity=row.capacity,
        allocation=row.allocation,
        physical=row.physical,
        target=VolumeTarget(
            path=row.path,
            format=Format(type=image.format) if formats else None,
            permissions=Permissions(mode=row.mode & 0o777, owner=row.owner, group=row.group),
            timestamps=_times(row),
            encryption=_encryption(image),
            compat=image.compat,
            cluster_size=image.cluster_size,
            features=_features(image),
        ),
        backing=_backing(image),
    )


def _times(row: VolumeRow) -> Timestamps:
    """libvirt 9 does not know when a file was made either."""
    _, _, _, _, mtime, ctime = row.stamp
    return Timestamps(atime=_seconds(row.atime), mtime=_seconds(mtime), ctime=_seconds(ctime), btime="0")


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds // SECOND}.{nanoseconds % SECOND:09d}"


def _features(image: Image) -> VolumeFeatures | None:
    if image.compat in (None, "0.10"):
        return None
    return VolumeFeatures(lazy_refcounts=image.lazy_refcounts, extended_l2=image.extended_l2)


def _encryption(image: Image) -> Encryption | None:
    return Encryption(format=image.encryption) if image.encryption in ENCRYPTIONS else None


def _backing(image: Image) -> BackingStore | None:
    """As the image names it; without a format in it, nobody guesses one."""
    if image.backing is None:
        return None
    format_ = Format(type=image.backing_format) if image.backing_format else None
    return BackingStore(path=image.backing, format=format_)
