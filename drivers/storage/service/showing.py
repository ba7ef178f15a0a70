"""The XML of pools and volumes as they are."""

from __future__ import annotations

from embervirt.drivers.images import Image
from embervirt.drivers.storage.model import (
    BackingStore,
    Encryption,
    EncryptionSecret,
    Extent,
    ExtentDevice,
    FreeExtent,
    Permissions,
    Pool,
    PoolTarget,
    Timestamps,
    Volume,
    VolumeFeatures,
    VolumeSource,
    VolumeTarget,
)
from embervirt.drivers.storage.model.kinds import VOLUME_TYPES
from embervirt.drivers.storage.model.source import Format
from embervirt.drivers.storage.tables import BelowRow, PoolRow, VolumeRow
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
        pool = replace(pool, target=PoolTarget(path=pool.target.path, permissions=row.permissions))
    if space.free:
        free = tuple(FreeExtent(start=start, end=end) for start, end in space.free)
        first, *others = pool.source.devices
        devices = (replace(first, free_extents=free), *others)
        pool = replace(pool, source=replace(pool.source, devices=devices))
    return render(pool)


def volume_xml(row: VolumeRow, pool: PoolRow, secret: EncryptionSecret | None = None) -> str:
    """As it was seen last; the image below by its path, which is the same from any directory."""
    found = volume(row, pool.pool, secret)
    if row.below is not None and found.backing is not None:
        found = replace(found, backing=replace(found.backing, path=row.below.path))
    return render(found)


def volume(row: VolumeRow, pool: Pool, secret: EncryptionSecret | None = None) -> Volume:
    """The description of a volume that is there; ``secret`` has its passphrase, if it has one."""
    image = row.image
    formats = pool.kind.volume_formats
    origin = row.device.origin if row.device else None
    return Volume(
        type=VOLUME_TYPES[row.kind],
        name=row.name,
        key=row.key,
        source=_source(row),
        capacity=row.capacity,
        allocation=row.allocation,
        physical=row.physical or None,
        target=VolumeTarget(
            path=row.path,
            format=Format(type=(row.device and row.device.format) or image.format) if formats else None,
            permissions=_permissions(row),
            timestamps=_times(row),
            encryption=_encryption(image, secret),
            compat=image.compat,
            cluster_size=image.cluster_size if image.format == "qcow2" else None,
            features=_features(image),
        ),
        backing=_backing(row) if origin is None else _origin(origin),
    )


def _permissions(row: VolumeRow | BelowRow) -> Permissions:
    return Permissions(mode=row.mode & 0o777, owner=row.owner, group=row.group)


def _source(row: VolumeRow) -> VolumeSource | None:
    """Where a device lies: each of the devices below once, in the order of the pieces."""
    extents: dict[str, list[Extent]] = {}
    for path, start, end in row.device.extents if row.device else ():
        extents.setdefault(path, []).append(Extent(start=start, end=end))
    found = tuple(ExtentDevice(path=path, extents=tuple(each)) for path, each in extents.items())
    return VolumeSource(devices=found) if found else None


def _origin(row: VolumeRow) -> BackingStore:
    return BackingStore(path=row.path, permissions=_permissions(row), timestamps=_times(row))


def _times(row: VolumeRow | BelowRow) -> Timestamps:
    """libvirt 9 does not know when a file was made either."""
    _, _, _, _, mtime, ctime = row.stamp
    return Timestamps(atime=_seconds(row.atime), mtime=_seconds(mtime), ctime=_seconds(ctime), btime="0")


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds // SECOND}.{nanoseconds % SECOND:09d}"


def _features(image: Image) -> VolumeFeatures | None:
    if image.compat in (None, "0.10"):
        return None
    return VolumeFeatures(lazy_refcounts=image.lazy_refcounts, extended_l2=image.extended_l2)


def _encryption(image: Image, secret: EncryptionSecret | None) -> Encryption | None:
    if image.encryption not in ENCRYPTIONS:
        return None
    return Encryption(format=image.encryption, secrets=(secret,) if secret else ())


def _backing(row: VolumeRow) -> BackingStore | None:
    """As the image names it; without a format in it, nobody guesses one."""
    image, below = row.image, row.below
    if image.backing is None:
        return None
    return BackingStore(
        path=image.backing,
        format=Format(type=image.backing_format) if image.backing_format else None,
        permissions=_permissions(below) if below else None,
        timestamps=_times(below) if below else None,
    )
