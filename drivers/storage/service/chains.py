"""Images below an image: whether they are there, are what they are called, and come to an end.

QEMU would follow a chain without end until it has no descriptors left, and would guess a format that nobody
named. What is called raw is never looked into. What is no file (``nbd:``, ``json:``) is left to QEMU.
"""

from __future__ import annotations

import stat
from pathlib import Path

from embervirt.drivers.images import Image, image_at
from embervirt.drivers.storage.errors import StorageInternal, StorageInvalid, StorageSystemError

MOST = 200
"""Images of a chain, as in libvirt."""

TOLD = ("qcow2", "qcow", "qed", "vmdk", "vdi")
"""Formats that an image's first bytes always tell."""

Seen = set[tuple[int, int]]
"""Device and inode of each image."""


def check(path: str, format_: str) -> int:
    """An image that is to be opened, with all below it: how many these are.

    Raises StorageSystemError (one is missing), StorageInternal (a loop, or another format than it is called),
    StorageInvalid (nobody says which format).
    """
    return _follow(path, format_, "")


def check_below(path: str, below: str, format_: str) -> int:
    """The image below one that is to be made at ``path``. Raises as ``check``."""
    found = resolved(below, path)
    return 0 if found is None else _follow(found, format_, path)


def resolved(below: str, above: str) -> str | None:
    """The path of an image below, as the header of ``above`` names it; None for what is no file."""
    if below.startswith("json:"):
        return None
    path = below.removeprefix("file:")
    if path == below and ":" in path.partition("/")[0]:
        return None
    return str(Path(above).parent / path)


def _follow(path: str, format_: str, above: str) -> int:
    seen: Seen = set()
    while True:
        _note(path, above, seen)
        said = None if format_ in ("raw", "iso") else _said(path)
        if said is not None:
            _same(path, format_, said)
        below = None if said is None or said.backing is None else resolved(said.backing, path)
        if said is None or below is None:
            return len(seen)
        format_, path, above = said.backing_format or _guessed(below, path), below, path


def _note(path: str, above: str, seen: Seen) -> None:
    try:
        found = Path(path).stat()
    except OSError as error:
        of = f"of '{above}' " if above else ""
        text = f"inaccessible backing store volume {path} {of}".strip() if above else f"cannot open '{path}'"
        raise StorageSystemError(f"{text}: {error.strerror}", int1=error.errno or -1) from error
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISBLK(found.st_mode)):
        raise StorageInternal(f"image '{path}' is neither a file nor a block device")
    identity = found.st_dev, found.st_ino
    if identity in seen or len(seen) >= MOST:
        text = f"backing store for '{above or path}' is self-referential or too deeply nested: '{path}'"
        raise StorageInternal(text)
    seen.add(identity)


def _said(path: str) -> Image:
    try:
        return image_at(path)
    except OSError as error:
        raise StorageSystemError(
            f"cannot read header '{path}': {error.strerror}", int1=error.errno or -1
        ) from error


def _same(path: str, format_: str, said: Image) -> None:
    if format_ in TOLD and said.format != format_:
        raise StorageInternal(f"image '{path}' is called {format_} and is {said.format}")


def _guessed(path: str, above: str) -> str:
    """Of an image whose format nobody named: raw or what has nothing below it, which can do no harm."""
    said = _said(path)
    if said.backing is not None:
        text = f"format of backing image '{path}' of image '{above}' was not specified in the image metadata"
        raise StorageInvalid(text)
    return "raw" if said.encryption else said.format
