"""Partitions of a disk: parted's commands, what it says, and where a new one goes."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from embervirt.drivers.storage.errors import StorageInternal, StorageOperationUnsupported
from embervirt.drivers.storage.model import Pool

KINDS = {"fat16": "fat16", "fat32": "fat32", "linux": "ext2", "linux-swap": "linux-swap", "linux-lvm": "ext2",
         "linux-raid": "ext2"}  # fmt: skip
"""parted's words for what a partition is to hold."""


def device(pool: Pool) -> str:
    """The disk."""
    return pool.source.devices[0].path or ""


def show(pool: Pool) -> list[str]:
    """Prints its label and partitions, in bytes, one a line with colons between."""
    return ["parted", "--machine", "--script", device(pool), "unit", "B", "print", "free"]


@dataclass(frozen=True)
class Piece:
    """Bytes ``start`` to ``end``, both included, of a disk: a partition, or (number 0) none."""

    number: int
    start: int
    end: int

    @property
    def length(self) -> int:
        """Bytes."""
        return self.end - self.start + 1


@dataclass(frozen=True)
class Disk:
    """What ``show`` says. ``length`` and ``sector`` in bytes; ``label`` in parted's words."""

    length: int
    sector: int
    label: str
    pieces: tuple[Piece, ...]

    @property
    def partitions(self) -> tuple[Piece, ...]:
        """All of them."""
        return tuple(each for each in self.pieces if each.number)

    @property
    def free(self) -> tuple[Piece, ...]:
        """What belongs to none, or only to an extended one."""
        return tuple(each for each in self.pieces if not each.number)

    @property
    def extended(self) -> Piece | None:
        """The partition that others, or what is free for them, lie in."""
        inside = (
            each for each in self.partitions for other in self.pieces
            if other != each and each.start <= other.start and other.end <= each.end
        )  # fmt: skip
        return next(inside, None)

    @property
    def logical(self) -> tuple[Piece, ...]:
        """Those in the extended one."""
        whole = self.extended
        return () if whole is None else tuple(e for e in self.partitions if e != whole and _in(e, whole))

    @property
    def usable(self) -> int:
        """Its bytes up to the last that a partition can have."""
        return max((each.end + 1 for each in self.pieces), default=self.length)


_DISK = re.compile(r":([0-9]+)B:[^:]*:([0-9]+):[0-9]+:([^:]*):")
"""Behind the path and before the model, each of which may have colons: bytes, bytes of a sector, label."""


def shown(text: str) -> Disk:
    """Of ``show``. Raises StorageInternal for what is not its output."""
    begin, *lines = [line.rstrip(";") for line in text.splitlines() if line.strip()] or [""]
    found = _DISK.search(lines[0]) if begin == "BYT" and lines else None
    try:
        if found is None:
            raise ValueError(begin)
        return Disk(int(found[1]), int(found[2]), found[3], tuple(map(_piece, lines[1:])))
    except ValueError as error:
        raise StorageInternal(f"parted: what it said is not understood: {text[:200]!r}") from error


def _piece(line: str) -> Piece:
    number, start, end, _, *rest = line.split(":")
    return Piece(0 if rest == ["free"] else int(number), _bytes(start), _bytes(end))


def _bytes(text: str) -> int:
    return int(text.removesuffix("B"))


ALIGNED = 1 << 20
"""Where a partition begins if it can: a multiple of these bytes suits every disk."""

PRIMARY = 4
"""Partitions that a DOS label has, logical ones aside."""


@dataclass(frozen=True)
class Place:
    """Where a new partition goes: its number, its bytes, and parted's word for its kind."""

    number: int
    start: int
    end: int
    kind: str


def placed(disk: Disk, capacity: int, *, extended: bool) -> Place:
    """The smallest piece of free bytes that is large enough.

    Raises StorageInternal, StorageOperationUnsupported.
    """
    kind = _kind(disk, extended)
    whole = disk.extended if kind == "logical" else None
    length = max(-(-capacity // disk.sector), 1) * disk.sector
    fitting = []
    for piece in disk.free:
        outside = disk.extended is None or not _in(piece, disk.extended)
        if outside if whole is None else _in(piece, whole):
            start = _start(piece, disk, length, logical=kind == "logical")
            if start + length - 1 <= piece.end:
                fitting.append((piece.length, start))
    if not fitting:
        largest = max((each.length for each in disk.free), default=0)
        text = f"{length} bytes are wanted, the largest has {largest}"
        raise StorageInternal(f"no large enough free extent: {text}")
    start = min(fitting)[1]
    return Place(_number(disk, kind), start, start + length - 1, kind)


def _in(piece: Piece, whole: Piece) -> bool:
    return whole.start <= piece.start and piece.end <= whole.end


def _start(piece: Piece, disk: Disk, length: int, *, logical: bool) -> int:
    """Before a logical partition a sector says where the next is."""
    first = piece.start + (disk.sector if logical else 0)
    aligned = -(-first // ALIGNED) * ALIGNED
    return aligned if aligned + length - 1 <= piece.end else first


def _kind(disk: Disk, extended: bool) -> str:
    if disk.label != "msdos":
        if extended:
            raise StorageOperationUnsupported(f"a disk with label '{disk.label}' has no extended partitions")
        return "primary"
    if extended and disk.extended is not None:
        raise StorageOperationUnsupported("extended partition already exists: a disk has one at most")
    if len([each for each in disk.partitions if each.number <= PRIMARY]) < PRIMARY:
        return "extended" if extended else "primary"
    if extended or disk.extended is None:
        raise StorageOperationUnsupported("no more partitions: a DOS label has four, one of them extended")
    return "logical"


def _number(disk: Disk, kind: str) -> int:
    taken = {each.number for each in disk.partitions}
    first = PRIMARY + 1 if kind == "logical" else 1
    return next(number for number in itertools.count(first) if number not in taken)


def create(pool: Pool, format: str, start: int, end: int, kind: str = "primary") -> list[str]:
    """A partition of the bytes ``start`` to ``end``, both included; ``kind``: of a ``Place``."""
    holds = [KINDS[format]] if format in KINDS else []
    words = ["extended"] if format == "extended" else [kind, *holds]
    return ["parted", device(pool), "mkpart", "--script", *words, f"{start}B", f"{end}B"]


def remove(pool: Pool, number: int) -> list[str]:
    """A partition."""
    return ["parted", device(pool), "rm", "--script", str(number)]
