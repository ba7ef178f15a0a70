"""Partitions of a disk: parted's commands."""

from __future__ import annotations

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


def create(pool: Pool, format: str, start: int, end: int) -> list[str]:
    """A partition of the bytes ``start`` to ``end``, both included."""
    kind = (
        ["extended"] if format == "extended" else ["primary", *([KINDS[format]] if format in KINDS else [])]
    )
    return ["parted", device(pool), "mkpart", "--script", *kind, f"{start}B", f"{end}B"]


def remove(pool: Pool, number: int) -> list[str]:
    """A partition."""
    return ["parted", device(pool), "rm", "--script", str(number)]
