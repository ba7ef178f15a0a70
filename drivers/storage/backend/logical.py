"""Pools of kind ``logical``: a volume group of LVM and the logical volumes in it."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import structs

from embervirt.drivers.images import Image
from embervirt.drivers.storage.backend import contents
from embervirt.drivers.storage.backend.devices import device_size
from embervirt.drivers.storage.backend.directory import OVERWRITE
from embervirt.drivers.storage.backend.looking import seen
from embervirt.drivers.storage.backend.programs import Programs
from embervirt.drivers.storage.backend.protocol import Area, Devices, Volumes
from embervirt.drivers.storage.errors import (
    NoStorageVolume,
    StorageInvalid,
    StorageNotSupported,
    StorageUnsupported,
)
from embervirt.drivers.storage.images import groups, pools
from embervirt.drivers.storage.images.groups import Segment
from embervirt.drivers.storage.model import Pool, Volume
from embervirt.drivers.storage.tables import BLOCK, DeviceRow, Space, VolumeRow
from embervirt.drivers.storage.validate.names import staged
from embervirt.drivers.xml import replace
from embervirt.errors import libvirtError
from embervirt.log import get_logger


class Logical:
    """Active while its volumes are on this host."""

    def __init__(self) -> None:
        self.devices: Devices | None = LogicalVolumes(self)

    def build(self, pool: Pool, flags: int, programs: Programs) -> None:
        """Its devices become physical volumes, these the group. What was made is undone when it fails.

        Raises PoolBuilt for a device that holds something, unless ``flags`` say OVERWRITE.
        """
        overwrite = bool(flags & OVERWRITE)
        devices = [each.path or "" for each in pool.source.devices]
        if not overwrite:
            for device in devices:
                contents.check_empty(device, contents.GROUP, programs)
        made: list[str] = []
        try:
            for argv in pools.build(pool, overwrite=overwrite):
                programs.change(argv)
                made += argv[-1:] if argv[0] == "pvcreate" else []
        except libvirtError:
            for device in made:
                _forget(device, programs)
            raise

    def start(self, pool: Pool, programs: Programs) -> None:
        """Its volumes appear. Raises StorageUnsupported for a group that is not there, or lies elsewhere."""
        name, found = groups.name(pool), groups.scanned(programs.ask(groups.scan()))
        if name not in found:
            raise StorageUnsupported(f"cannot find logical volume group name '{name}'")
        wanted = {os.path.realpath(each.path or "") for each in pool.source.devices}
        there = {os.path.realpath(each) for each in found[name]}
        if wanted and not wanted & there:
            raise StorageUnsupported(
                f"cannot find any matching source devices for logical volume group '{name}': it lies on"
                f" {', '.join(found[name])}"
            )
        for argv in pools.start(pool):
            programs.change(argv)

    def stop(self, pool: Pool, programs: Programs) -> None:
        """They are gone from this host. Raises StorageInternal while one is in use."""
        for argv in pools.stop(pool):
            programs.change(argv)

    def delete(self, pool: Pool, programs: Programs) -> None:
        """The group with all its volumes, and its physical volumes."""
        for argv in groups.delete(pool):
            programs.change(argv)

    def usable(self, pool: Pool, recorded: bool, programs: Programs) -> bool:
        """Whether one of its volumes is active; of a group without volumes, whether it was."""
        if groups.name(pool) not in groups.scanned(programs.ask(groups.scan())):
            return False
        segments = self.segments(pool, programs)
        return any(each.active for each in segments) or (recorded and not segments)

    @staticmethod
    def segments(pool: Pool, programs: Programs, volume: str = "") -> tuple[Segment, ...]:
        """Of all its volumes, or of one."""
        return groups.reported(programs.ask(groups.report(pool, volume)))

    def check(self, pool: Pool) -> None:
        """Nothing to do: each device is looked at when it is opened."""

    def look(self, pool: Pool, known: Volumes, programs: Programs) -> tuple[Space, dict[str, VolumeRow]]:
        """Those that are active, and whole."""
        space, rows = self._look(pool, programs)
        return space, {name: row for name, row in rows.items() if not staged(name)}

    def _look(self, pool: Pool, programs: Programs) -> tuple[Space, dict[str, VolumeRow]]:
        """Also those under a staged name."""
        size, free = groups.spaced(programs.ask(groups.space(pool)))
        parts: dict[str, list[Segment]] = {}
        for each in self.segments(pool, programs):
            if not each.hidden:
                parts.setdefault(each.name, []).append(each)
        rows = [row for each in parts.values() if (row := _row(pool, each))]
        return Space(size, size - free, free), _upon({row.name: row for row in rows}, parts)

    def look_at(self, pool: Pool, name: str, programs: Programs) -> tuple[Space, VolumeRow | None]:
        """One of them."""
        space, rows = self._look(pool, programs)
        return space, rows.get(name)


def _forget(device: str, programs: Programs) -> None:
    """The first error is the one to tell."""
    try:
        programs.change(["pvremove", device])
    except libvirtError as error:
        get_logger(driver="storage").warning("a physical volume stays", device=device, error=str(error))


def _row(pool: Pool, segments: list[Segment]) -> VolumeRow | None:
    """None for one that has no node in /dev."""
    first, path = segments[0], Path(pool.path) / segments[0].name
    try:
        found = path.stat()
    except FileNotFoundError:
        get_logger(driver="storage").warning("logical volume has no device", path=str(path))
        return None
    row = seen(found, BLOCK, str(path.parent), first.name, Image("raw"))
    extents = tuple(
        (device, start, start + each.length) for each in segments for device, start in each.origins
    )  # of a striped one too each with its whole length, as libvirt 9 has it
    device = DeviceRow(first.uuid, extents, None, first.sparse)
    return sized(row, device_size(found) or first.size, sum(each.length for each in segments), device)


def sized(row: VolumeRow, size: int, allocation: int, device: DeviceRow) -> VolumeRow:
    """With the sizes that a device does not tell of itself."""
    return structs.replace(row, capacity=size, allocation=allocation, physical=size, device=device)


def _upon(rows: dict[str, VolumeRow], parts: dict[str, list[Segment]]) -> dict[str, VolumeRow]:
    """Snapshots with what they are of."""

    def with_origin(row: VolumeRow) -> VolumeRow:
        below = rows.get(parts[row.name][0].origin)
        if below is None or row.device is None:
            return row
        return structs.replace(row, device=structs.replace(row.device, origin=below))

    return {name: with_origin(row) for name, row in rows.items()}


class LogicalVolumes:
    """Making and changing them."""

    resizes = True

    def __init__(self, group: Logical) -> None:
        self._group = group

    def check(self, volume: Volume, pool: Pool) -> None:
        """Raises StorageInvalid."""
        below = volume.backing.path if volume.backing else None
        if below and Path(below).parent != Path(pool.path):
            raise StorageInvalid(
                f"volume '{volume.name}': '{below}' is no volume of pool '{pool.name}'; a snapshot has the"
                f" path of one, {pool.path}/NAME, in <backingStore>"
            )

    def area(self, volume: Volume, pool: Pool, programs: Programs) -> Area | None:
        """LVM chooses."""
        return None

    def create(self, volume: Volume, pool: Pool, programs: Programs) -> None:
        """One call of LVM: it is there or not."""
        if volume.backing:  # a snapshot's own size is all that it says: LVM has no other for it
            volume = replace(volume, allocation=volume.capacity)
        programs.change(groups.create(volume, pool))

    def rename(self, pool: Pool, name: str, new: str, programs: Programs) -> None:
        """Raises StorageInternal when the name is taken."""
        programs.change(groups.rename(pool, name, new))

    def delete(self, pool: Pool, row: VolumeRow, programs: Programs) -> None:
        """Raises StorageInvalid for one with snapshots, which LVM would remove as well."""
        segments = self._group.segments(pool, programs)
        upon = sorted({each.name for each in segments if each.origin == row.name and each.sparse})
        if upon:
            raise StorageInvalid(f"volume '{row.name}' has snapshots: {', '.join(upon)}; these must go first")
        self._same(row, segments)
        programs.change(groups.remove(row))

    @staticmethod
    def _same(row: VolumeRow, segments: tuple[Segment, ...]) -> None:
        """Raises NoStorageVolume when another has its name by now."""
        uuids = {each.uuid for each in segments if each.name == row.name}
        if row.device is None or row.device.uuid not in uuids:
            raise NoStorageVolume(f"no storage vol with matching name '{row.name}' and key {row.key}")

    def resize(self, pool: Pool, row: VolumeRow, capacity: int, programs: Programs) -> None:
        """To whole extents. Raises NoStorageVolume, StorageInternal without room for it."""
        if row.device is not None and row.device.sparse:
            text = "it is a snapshot, which has the size of what it is of"
            raise StorageNotSupported(f"logical volume '{row.path}' cannot be resized: {text}")
        self._same(row, self._group.segments(pool, programs))
        programs.change(groups.resize(row, capacity, shrink=capacity < row.capacity))

    def sweep(self, pool: Pool, programs: Programs) -> None:
        """Those under a staged name."""
        for name in {each.name for each in self._group.segments(pool, programs) if staged(each.name)}:
            programs.change(["lvremove", "-f", f"{groups.name(pool)}/{name}"])
