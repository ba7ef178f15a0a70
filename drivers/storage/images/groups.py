"""LVM: commands of volume groups and logical volumes, and what its reports say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from embervirt.drivers.storage.errors import StorageInternal
from embervirt.drivers.storage.model import Pool, Volume

COLUMNS = (
    "lv_name", "origin", "uuid", "devices", "segtype", "stripes", "seg_size", "vg_extent_size", "size",
    "lv_attr",
)  # fmt: skip
REPORT = ("--noheadings", "--units", "b", "--unbuffered", "--nosuffix")

ENCRYPTED = 2 * 1024 * 1024
"""Bytes that a LUKS header needs, beside the capacity."""


@dataclass(frozen=True)
class Segment:
    """A line of ``report``: a piece of a logical volume. Sizes in bytes; ``devices`` as ``/dev/sda1(0)``."""

    name: str
    origin: str
    uuid: str
    devices: tuple[str, ...]
    type: str
    stripes: int
    length: int
    extent: int
    size: int
    attributes: str

    @property
    def hidden(self) -> bool:
        """Whether it is no volume that can be used: a thin pool, what lies in one, what is not active.

        libvirt 9 shows none of these.
        """
        return self.attributes.startswith("t") or not self.devices or not self.active

    @property
    def active(self) -> bool:
        """Whether it is on this host."""
        return self.attributes[4:5] == "a"

    @property
    def sparse(self) -> bool:
        """Whether it is a snapshot, which takes room as it is written to."""
        return self.attributes[:1] in ("s", "S")

    @property
    def origins(self) -> tuple[tuple[str, int], ...]:
        """Devices, and the byte of each at which the piece begins."""
        parts = (device.rstrip(")").rpartition("(") for device in self.devices)
        return tuple((path, int(first) * self.extent) for path, _, first in parts)


def name(pool: Pool) -> str:
    """Of the volume group."""
    return pool.source.name or pool.name or ""


def change(pool: Pool, *, active: bool) -> list[str]:
    """Activates its volumes on this host, or ends that."""
    return ["vgchange", "-aly" if active else "-aln", name(pool)]


def build(pool: Pool, devices: list[str]) -> list[list[str]]:
    """Physical volumes first."""
    return [["pvcreate", "--yes", device] for device in devices] + [["vgcreate", name(pool), *devices]]


def delete(pool: Pool) -> list[list[str]]:
    """The group, then its physical volumes."""
    return [["vgremove", "-f", name(pool)], *(["pvremove", each.path or ""] for each in pool.source.devices)]


def scan() -> list[str]:
    """Prints a physical volume and its group a line."""
    return ["pvs", "--noheadings", "-o", "pv_name,vg_name"]


def scanned(report: str) -> dict[str, tuple[str, ...]]:
    """Devices by group, of ``scan``; a device without one does not count."""
    found: dict[str, tuple[str, ...]] = {}
    for words in map(str.split, report.splitlines()):
        if len(words) > 1:
            found[words[1]] = (*found.get(words[1], ()), words[0])
    return found


def space(pool: Pool) -> list[str]:
    """Prints the bytes of a group, and how many are free."""
    return ["vgs", "--separator", ":", *REPORT, "--options", "vg_size,vg_free", name(pool)]


def spaced(report: str) -> tuple[int, int]:
    """Both, of ``space``. Raises StorageInternal."""
    size, _, free = report.strip().partition(":")
    return _number(size), _number(free)


def report(pool: Pool, volume: str = "") -> list[str]:
    """Prints a line for each segment of each logical volume, or of one."""
    what = f"{name(pool)}/{volume}" if volume else name(pool)
    return ["lvs", "--separator", "#", *REPORT, "--options", ",".join(COLUMNS), what]


def reported(text: str) -> tuple[Segment, ...]:
    """Of ``report``. Raises StorageInternal for a line that is none."""
    return tuple(_segment(line.strip()) for line in text.splitlines() if line.strip())


def _segment(line: str) -> Segment:
    parts = line.split("#")
    if len(parts) != len(COLUMNS):
        raise StorageInternal(f"lvs: '{line[:100]}' has {len(parts)} columns, expected {len(COLUMNS)}")
    names = parts[0].strip("[]"), parts[1].strip("[]"), parts[2]
    devices = tuple(parts[3].split(",")) if parts[3] else ()
    stripes, length, extent, size = (_number(each) for each in parts[5:9])
    return Segment(*names, devices, parts[4], stripes, length, extent, size, parts[9])


def _number(text: str) -> int:
    if not text.strip().isdecimal():
        raise StorageInternal(f"LVM: '{text[:100]}' is no number of bytes")
    return int(text)


def create(volume: Volume, pool: Pool) -> list[str]:
    """A volume: sparse when less is allocated than its capacity, a snapshot when it lies upon another."""
    capacity = (volume.capacity or 0) + (ENCRYPTED if volume.target.encryption is not None else 0)
    below = volume.backing.path if volume.backing else None
    if below:
        size = ["-L", _kib(capacity), "-s", below]
    elif volume.allocation is not None and volume.allocation < (volume.capacity or 0):
        virtual = ["--type", "snapshot", "--virtualsize", _kib(capacity)]
        size = ["-L", _kib(volume.allocation), *virtual, name(pool)]
    else:
        size = ["-L", _kib(capacity), name(pool)]
    return ["lvcreate", "--name", volume.name or "", *size, "--yes"]


def _kib(size: int) -> str:
    return f"{max(-(-size // 1024), 1)}K"


class Placed(Protocol):
    """A volume as it is described, or as it was seen."""

    @property
    def path(self) -> str: ...


def rename(pool: Pool, old: str, new: str) -> list[str]:
    """A volume."""
    return ["lvrename", name(pool), old, new]


def remove(volume: Placed) -> list[str]:
    """A volume, by its path."""
    return ["lvremove", "-f", volume.path]


def resize(volume: Placed, capacity: int, *, shrink: bool) -> list[str]:
    """A volume; its file system is none of ours."""
    flags = ["--force"] if shrink else []
    return ["lvresize", *flags, "--yes", "-L", f"{capacity}b", volume.path]
