"""Pools of kind ``disk``: the partitions of one disk."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import structs

from embervirt.drivers.images import Image
from embervirt.drivers.storage.backend import contents
from embervirt.drivers.storage.backend.devices import EXTENDED
from embervirt.drivers.storage.backend.directory import OVERWRITE
from embervirt.drivers.storage.backend.logical import sized
from embervirt.drivers.storage.backend.looking import seen
from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.backend.protocol import Area, Devices, Volumes
from embervirt.drivers.storage.errors import (
    NoStorageVolume,
    StorageArgument,
    StorageInvalid,
    StorageNotSupported,
    StorageOperationUnsupported,
)
from embervirt.drivers.storage.images import partitions, pools
from embervirt.drivers.storage.images.partitions import Disk, Piece, Place
from embervirt.drivers.storage.model import Pool, Volume
from embervirt.drivers.storage.tables import BLOCK, DeviceRow, Space, VolumeRow
from embervirt.log import get_logger


class Partitioned:
    """Nothing to start or stop: the kernel knows the partitions."""

    def __init__(self) -> None:
        self.devices: Devices | None = Partitions()

    def build(self, pool: Pool, flags: int, programs: Programs) -> None:
        """A new label. Raises PoolBuilt for a disk that holds something, unless ``flags`` say OVERWRITE."""
        device = partitions.device(pool)
        if not flags & OVERWRITE:
            contents.check_empty(device, label(pool), programs)
        for argv in pools.build(pool, overwrite=bool(flags & OVERWRITE)):
            programs.change(argv)

    def start(self, pool: Pool, programs: Programs) -> None:
        """It must have its label. Raises as ``contents.check_built``."""
        contents.check_built(pool, partitions.device(pool), label(pool), programs)

    def stop(self, pool: Pool, programs: Programs) -> None:
        """Nothing to do."""

    def delete(self, pool: Pool, programs: Programs) -> None:
        """Nothing either, as in libvirt: the disk is the host's."""

    def usable(self, pool: Pool, recorded: bool, programs: Programs) -> bool:
        """A disk is there or not: what it is used for is only on record."""
        return recorded and Path(partitions.device(pool)).exists()

    def check(self, pool: Pool) -> None:
        """Nothing to do: each device is looked at when it is opened."""

    def look(self, pool: Pool, known: Volumes, programs: Programs) -> tuple[Space, dict[str, VolumeRow]]:
        """Its partitions, the extended one too."""
        disk = look_into(pool, programs)
        rows = [row for each in disk.partitions if (row := _row(pool, disk, each))]
        used = sum(each.length for each in disk.partitions if each != disk.extended)
        free = tuple((each.start, each.end + 1) for each in disk.free)
        space = Space(disk.usable, used, sum(each.length for each in disk.free), free)
        return space, {row.name: row for row in rows}

    def look_at(self, pool: Pool, name: str, programs: Programs) -> tuple[Space, VolumeRow | None]:
        """One of them."""
        space, rows = self.look(pool, {}, programs)
        return space, rows.get(name)


def label(pool: Pool) -> str:
    """In blkid's words, which are those of the XML but for the default."""
    return "dos" if pool.format == "unknown" else pool.format or ""


def look_into(pool: Pool, programs: Programs) -> Disk:
    """Its label and pieces. Raises StorageInternal."""
    return partitions.shown(programs.ask(partitions.show(pool)))


def name(pool: Pool, number: int) -> str:
    """That the kernel gives a partition; after a digit, or where the XML says so, with a ``p``."""
    separated = pool.source.devices[0].part_separator
    disk = os.path.realpath(partitions.device(pool)).rpartition("/")[2]
    between = disk[-1:].isdigit() if separated is None else separated
    return f"{disk}{'p' if between else ''}{number}"


def _row(pool: Pool, disk: Disk, piece: Piece) -> VolumeRow | None:
    """None for one that has no node in /dev."""
    path = Path("/dev") / name(pool, piece.number)
    try:
        found = path.stat()
    except FileNotFoundError:
        get_logger(driver="storage").warning("partition has no device", path=str(path))
        return None
    row = seen(found, BLOCK, str(path.parent), path.name, Image("raw"))
    extents = ((partitions.device(pool), piece.start, piece.end + 1),)
    row = structs.replace(row, path=_stable(pool, path))
    return sized(row, piece.length, piece.length, DeviceRow(extents=extents, format=_format(disk, piece)))


def _stable(pool: Pool, path: Path) -> str:
    """Its name in the pool's directory, such as /dev/disk/by-id; that in /dev where it has none there."""
    directory = Path(pool.path)
    if directory == path.parent or not directory.is_dir():
        return str(path)
    links = (each for each in sorted(directory.iterdir()) if each.is_symlink())
    return next((str(each) for each in links if each.resolve() == path), str(path))


def _format(disk: Disk, piece: Piece) -> str:
    return EXTENDED if piece == disk.extended else "none"


class Partitions:
    """Making and changing them."""

    resizes = False

    def check(self, volume: Volume, pool: Pool) -> None:
        """Raises StorageOperationUnsupported."""
        if volume.backing is not None:
            raise StorageOperationUnsupported(f"volume '{volume.name}': a partition has no backing store")

    def area(self, volume: Volume, pool: Pool, programs: Programs) -> Area | None:
        """A partition cannot be hidden, and what belongs to none is nobody's. Raises as ``create``."""
        place = self._place(volume, pool, programs)
        return Area(partitions.device(pool), place.start, place.end + 1 - place.start)

    def create(self, volume: Volume, pool: Pool, programs: Programs) -> None:
        """Where there is room. Raises StorageArgument for a name that is not the next partition's."""
        place = self._place(volume, pool, programs)
        programs.change(partitions.create(pool, volume.format, place.start, place.end, place.kind))

    @staticmethod
    def _place(volume: Volume, pool: Pool, programs: Programs) -> Place:
        disk = look_into(pool, programs)
        place = partitions.placed(disk, volume.capacity or 0, extended=volume.format == EXTENDED)
        expected = name(pool, place.number)
        if volume.name != expected:
            raise StorageArgument(f"invalid partition name '{volume.name}', expected '{expected}'")
        return place

    def rename(self, pool: Pool, name: str, new: str, programs: Programs) -> None:
        """It has its name."""

    def delete(self, pool: Pool, row: VolumeRow, programs: Programs) -> None:
        """Raises NoStorageVolume when another partition has its name by now."""
        ((_, start, end),) = row.device.extents if row.device else (("", 0, 0),)
        disk = look_into(pool, programs)
        inside = [name(pool, each.number) for each in disk.logical]
        if disk.extended and disk.extended.start == start and inside:
            text = f"has partitions in it: {', '.join(inside)}; these must go first"
            raise StorageInvalid(f"volume '{row.name}' {text}")
        for each in disk.partitions:
            if (name(pool, each.number), each.start, each.end + 1) == (row.name, start, end):
                programs.change(partitions.remove(pool, each.number))
                return
        raise NoStorageVolume(f"no storage vol with matching name '{row.name}' where it was")

    def resize(self, pool: Pool, row: VolumeRow, capacity: int, programs: Programs) -> None:
        """Raises StorageNotSupported."""
        raise StorageNotSupported("storage pool does not support changing of volume capacity")

    def sweep(self, pool: Pool, programs: Programs) -> None:
        """Nothing is half-made: a partition is there or not."""
