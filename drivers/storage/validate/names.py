"""Names of pools and volumes: each is one component of a path, and never more."""

from __future__ import annotations

import errno
import os
import re

from embervirt.drivers.storage.errors import (
    StorageInvalid,
    StorageSystemError,
    StorageXml,
    StorageXmlDetail,
)

LONGEST = 255
"""Bytes of a file's name (NAME_MAX)."""

STAGED = ".embervirt-"
_STAGED = re.compile(re.escape(STAGED) + r"[0-9a-f]{16}\.tmp")
_LVM = re.compile("[A-Za-z0-9+_.][A-Za-z0-9+_.-]{0,126}")


def pool_name(name: str | None) -> None:
    """Raises StorageXml, StorageXmlDetail, StorageSystemError (its file's name would be too long)."""
    if not name:
        raise StorageXml("missing pool source name element: expected <name>...</name>")
    if "/" in name:
        raise StorageXml(f"name {name} cannot contain '/'")
    if "\n" in name:
        raise StorageXmlDetail(f"invalid char in name: {name!r} has a line feed")
    _short(f"{name}.json")  # of its record, which is longer than that of its definition


def volume_name(name: str | None) -> None:
    """``-x``, a comma or a line feed is a name like others.

    Raises StorageXml, StorageInvalid, StorageSystemError.
    """
    if not name:
        raise StorageXml("missing volume name element: expected <name>...</name>")
    if "/" in name:
        raise StorageInvalid(f"volume name '{name}' cannot contain '/'")
    if staged(name):
        raise StorageInvalid(f"volume name '{name}' is one for volumes that are being made; take another")
    if name in (".", ".."):
        raise StorageInvalid(f"volume name '{name}' is that of a directory, which already exists")
    _short(name)


def name_for_staging(number: bytes) -> str:
    """Of a volume that is being made: nobody sees it. ``number``: 8 bytes that nobody else has."""
    return f"{STAGED}{number.hex()}.tmp"


def staged(name: str) -> bool:
    """Whether it is the name of something half-made, of some root's."""
    return name.startswith(STAGED) and _STAGED.fullmatch(name) is not None


def lvm_name(name: str, what: str) -> None:
    """Of a volume group or logical volume: LVM's own rule, so that none is an option or another path.

    Raises StorageInvalid.
    """
    if not _LVM.fullmatch(name) or name in (".", ".."):
        accepted = "letters, digits and + _ . -, no hyphen first, at most 127"
        raise StorageInvalid(f"{what} '{name}' is no name for LVM; accepted are {accepted}")


def _short(name: str) -> None:
    length = len(os.fsencode(name))
    if length > LONGEST:
        what = f"Failed to create file '{name[:40]}...': its name has {length} bytes, at most {LONGEST}"
        raise StorageSystemError(f"{what}: {os.strerror(errno.ENAMETOOLONG)}", int1=errno.ENAMETOOLONG)
