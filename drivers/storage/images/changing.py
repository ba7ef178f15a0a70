"""Resizing and wiping: commands and passes as data."""

from __future__ import annotations

from dataclasses import dataclass

from embervirt.drivers.images.others import SECTOR
from embervirt.drivers.storage.errors import (
    StorageArgument,
    StorageArgumentUnsupported,
    StorageOperationUnsupported,
)
from embervirt.drivers.storage.images import encrypting
from embervirt.drivers.storage.images.creating import image_format, opened
from embervirt.drivers.storage.model import Volume


def resize(
    volume: Volume, capacity: int, *, allocate: bool = False, shrink: bool = False, key: str = ""
) -> list[list[str]]:
    """The commands that make an image ``capacity`` bytes, rounded up to sectors; none for a raw one.

    ``key``: the file with its passphrase. Raises StorageOperationUnsupported: only raw images are allocated.
    """
    kind = image_format(volume)
    if allocate and volume.target.encryption is not None:
        raise StorageOperationUnsupported("preallocate is only supported for an unencrypted raw volume")
    if allocate and volume.format != "raw":
        raise StorageOperationUnsupported(
            f"preallocate is only supported for raw type volume, not for {volume.format}"
        )
    if kind == "raw":
        return []
    size = str(-(-capacity // SECTOR) * SECTOR)
    flags = ["--shrink"] if shrink else []
    if volume.target.encryption is None:
        return [["qemu-img", "resize", *flags, "-f", kind, volume.path, size]]
    secret = encrypting.secret(volume, key)
    return [["qemu-img", "resize", *flags, *secret, "--image-opts", opened(volume), size]]


@dataclass(frozen=True)
class Wiping:
    """``passes``: the pattern that each repeats, None for random bytes; ``verify`` the last"""

    passes: tuple[bytes | None, ...]
    verify: bool = False


def _bytes(*values: int) -> tuple[bytes, ...]:
    return tuple(bytes([value]) for value in values)


RANDOM = (None,)
_THREES = (b"\x92\x49\x24", b"\x49\x24\x92", b"\x24\x92\x49")
_OTHERS = (b"\x6d\xb6\xdb", b"\xb6\xdb\x6d", b"\xdb\x6d\xb6")
GUTMANN = (
    *RANDOM * 4, b"\x55", b"\xaa", *_THREES, *_bytes(*range(0, 256, 17)), *_THREES, *_OTHERS, *RANDOM * 4,
)  # fmt: skip

ALGORITHMS = (
    ("zero", Wiping(_bytes(0))),
    ("nnsa", Wiping((*RANDOM * 2, b"\0"), verify=True)),
    ("dod", Wiping((*RANDOM, b"\0", b"\xff"), verify=True)),
    ("bsi", Wiping(_bytes(0xFF, 0xFE, 0xFD, 0xFB, 0xF7, 0xEF, 0xDF, 0xBF, 0x7F))),
    ("gutmann", Wiping(GUTMANN)),
    ("schneier", Wiping((b"\0", b"\xff", *RANDOM * 5))),
    ("pfitzner7", Wiping(RANDOM * 7)),
    ("pfitzner33", Wiping(RANDOM * 33)),
    ("random", Wiping(RANDOM)),
)
"""By virStorageVolWipeAlgorithm. Source: ``vol-wipe`` in virsh's manual, Gutmann's paper of 1996."""


def wiping(algorithm: int) -> Wiping:
    """What overwrites a volume. Raises StorageArgumentUnsupported (trim), StorageArgument."""
    if algorithm == len(ALGORITHMS):
        raise StorageArgumentUnsupported("'trim' algorithm not supported")
    if not 0 <= algorithm < len(ALGORITHMS):
        raise StorageArgument(
            f"wiping algorithm {algorithm} not supported; expected 0 to {len(ALGORITHMS) - 1}"
        )
    return ALGORITHMS[algorithm][1]
