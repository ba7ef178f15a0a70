"""Images as a guest starts from them: each chain looked up in its files, missing optional media gone.

As libvirt has it: what the XML says of a chain counts; where it stops saying, the header of the last image
tells which is below (``backing``). No format is guessed: of an image that is said to be raw nothing is looked
at, for its guest writes what stands there. What an image on a server lies upon only QEMU can read.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from pathlib import Path

from embervirt.drivers.images import Image, image_at
from embervirt.drivers.qemu.errors import VIR_FROM_STORAGE
from embervirt.drivers.qemu.model import Disk, Domain
from embervirt.drivers.qemu.model.disk import BackingFormat, BackingStore
from embervirt.drivers.qemu.model.disk_driver import FORMATS, WITH_BACKING
from embervirt.drivers.qemu.model.disk_source import DiskSource
from embervirt.drivers.qemu.service import backing
from embervirt.drivers.xml import replace
from embervirt.errors import ConfigUnsupported, InternalError, OperationInvalid, SystemError_
from embervirt.log import get_logger

MOST = 200
"""Images of a chain, as in libvirt."""

KNOWN_BY_HEADER = ("qcow2", "qcow", "qed", "vdi")
"""Formats that every image of theirs begins with; of others some have no header, or it is at the end."""

_NAMES = {theirs: ours for ours, theirs in FORMATS.items()}


def opened(domain: Domain) -> Domain:
    """The domain with every chain told to its end, without the disks whose optional files are missing.

    Raises SystemError_ for a file that cannot be read, InternalError for a chain that does not end or leads
    where nobody can follow, OperationInvalid for one whose formats cannot be known or are others than are
    said, ConfigUnsupported for an image that keeps its data elsewhere. All name the file.
    """
    disks = tuple(map(followed, _present(domain.devices.disks)))
    return replace(domain, devices=replace(domain.devices, disks=disks))


def followed(disk: Disk) -> Disk:
    """One disk with its chain told to its end. Raises as ``opened``."""
    if disk.source is None or disk.is_empty:
        return disk
    path, format_ = _whole(disk.source, disk.type), disk.driver.type if disk.driver else "raw"
    seen: list[str] = []
    if disk.file is not None:
        _note(disk.file, seen)
    layers: list[BackingStore] = []
    for layer in (*disk.backing, None):
        if path is not None:
            _looked_at(path, format_)
        if layer is None:
            layers += _below(path, format_, seen)
        elif layer.type is None:
            return replace(disk, backing=(*layers, layer))
        else:
            layers.append(layer)
            if layer.source is not None and (file := layer.source.path(layer.type)):
                _note(file, seen)
            path = _whole(layer.source, layer.type)
            format_ = layer.format.type if layer.format else "raw"
    return replace(disk, backing=tuple(layers))


def _whole(source: DiskSource | None, type_: str) -> str | None:
    """The file that is an image from its first byte on; of another only QEMU reads the header."""
    return source.path(type_) if source and not source.slice else None


def _present(disks: tuple[Disk, ...]) -> Iterator[Disk]:
    """An optional medium that is missing is no medium; an optional disk is not there at all."""
    for disk in disks:
        policy = disk.source.startup_policy if disk.source else None
        if policy != "optional" or disk.file is None or Path(disk.file).exists():
            yield disk
            continue
        get_logger().warning("an optional disk is missing", disk=disk.dev, path=disk.file)
        if disk.removable:
            yield replace(disk, source=None, backing=())


def _below(path: str | None, format_: str, seen: list[str]) -> Iterator[BackingStore]:
    """The images under one of that format, and the end of the chain where it is known."""
    while path is not None and (said := _looked_at(path, format_)).backing is not None:
        found = backing.named(said.backing, path)
        above, path = path, found.source.path(found.type)
        if path is not None:
            _note(path, seen, above)
        format_ = _format(said.backing_format or found.format, path, above)
        yield BackingStore(type=found.type, format=BackingFormat(type=format_), source=found.source)
    if format_ not in WITH_BACKING or path is not None:
        yield BackingStore()


def _looked_at(path: str, format_: str) -> Image:
    """What an image of that format says, if one of that format can lie upon another; raw says nothing."""
    if format_ not in (*KNOWN_BY_HEADER, *WITH_BACKING):
        return Image(format_)
    said = _header(path)
    if said.format != format_ and format_ in KNOWN_BY_HEADER:
        text = f"'{path}' is no {format_} image, as it is said to be: its header is that of {said.format}"
        raise OperationInvalid(text, virdomain=VIR_FROM_STORAGE)
    if said.data_file is not None:
        text = f"image '{path}' keeps its data in another file, {said.data_file!r}"
        raise ConfigUnsupported(f"{text}: expected one that has them itself", virdomain=VIR_FROM_STORAGE)
    return said if said.format == format_ else Image(format_)


KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a character device",
}
"""What is no image, by the type of a file."""


def _note(path: str, seen: list[str], above: str | None = None) -> None:
    """Remember an image by what it really is; the same one twice is a chain without an end.

    Whoever opens a FIFO waits for a writer: QEMU would hang. What a header names may be no character device
    either, which does things when it is opened.
    """
    below = f"Cannot access backing file '{path}' of storage file '{above}'"
    text = below if above else f"Cannot access storage file '{path}'"
    try:
        real = Path(path).stat()
    except OSError as error:
        told = f"{text}: {error.strerror}"
        raise SystemError_(told, int1=error.errno or -1, virdomain=VIR_FROM_STORAGE) from error
    kind = stat.S_IFMT(real.st_mode)
    if kind in KINDS and (above or kind != stat.S_IFCHR):
        text = f"{text}: it is {KINDS[kind]}"
        raise SystemError_(text, int1=errno.EINVAL, virdomain=VIR_FROM_STORAGE)
    identity = f"{real.st_dev}:{real.st_ino}"
    if stat.S_ISBLK(real.st_mode):
        identity = f"block {real.st_rdev}"
    if identity in seen or len(seen) >= MOST:
        text = f"backing store for {above or path} is self-referential or too deeply nested"
        raise InternalError(f"{text}: image '{path}'", virdomain=VIR_FROM_STORAGE)
    seen.append(identity)


def _header(path: str) -> Image:
    try:
        return image_at(path)
    except OSError as error:
        text = f"cannot read header '{path}': {error.strerror}"
        raise SystemError_(text, int1=error.errno or -1, virdomain=VIR_FROM_STORAGE) from error


def _format(said: str | None, path: str | None, above: str) -> str:
    """libvirt's word for the format of an image below."""
    if said is None:
        return _guessed(path, above)
    if said not in _NAMES:
        text = f"format '{said}' of backing image '{path or 'of a server'}' of image '{above}' is not served"
        raise OperationInvalid(f"{text}; expected one of: {', '.join(_NAMES)}", virdomain=VIR_FROM_STORAGE)
    return _NAMES[said]


def _guessed(path: str | None, above: str) -> str:
    """The format of an image below that nobody named: believed only where it leads to no other file.

    libvirt 9 does the same; it takes any format for that, but an image that its guest writes as raw may begin
    like any of them.
    """
    said = _header(path) if path is not None else None
    if said is not None and said.format in ("raw", "qcow2") and not said.backing and not said.data_file:
        return said.format
    text = f"format of backing image '{path}' of image '{above}' was not specified in the image metadata"
    raise OperationInvalid(text, virdomain=VIR_FROM_STORAGE)
