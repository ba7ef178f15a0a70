"""Images as a guest starts from them: each chain looked up in its files, missing optional media gone.

As libvirt has it: what the XML says of a chain counts; where it stops saying, the header of the last image
tells which is below. An image below that is neither a file nor an NBD export is left to QEMU.
"""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from embervirt.drivers.qemu.backend import images
from embervirt.drivers.qemu.errors import VIR_FROM_STORAGE
from embervirt.drivers.qemu.model import Disk, Domain
from embervirt.drivers.qemu.model.disk import BackingFormat, BackingStore
from embervirt.drivers.qemu.model.disk_driver import FORMATS, WITH_BACKING
from embervirt.drivers.qemu.model.disk_source import PORTS, DiskSource, Host
from embervirt.drivers.xml import replace
from embervirt.errors import InternalError, OperationInvalid, SystemError_
from embervirt.log import get_logger

MOST = 200
"""Images of a chain, as in libvirt."""

_NAMES = {theirs: ours for ours, theirs in FORMATS.items()}


def opened(domain: Domain) -> Domain:
    """The domain with every chain told to its end, without the disks whose optional files are missing.

    Raises SystemError_ for a file that cannot be read, InternalError for a chain that does not end,
    OperationInvalid for one whose formats cannot be known.
    """
    disks = tuple(map(followed, _present(domain.devices.disks)))
    return replace(domain, devices=replace(domain.devices, disks=disks))


def followed(disk: Disk) -> Disk:
    """One disk with its chain told to its end. Raises as ``opened``."""
    if disk.source is None or disk.is_empty:
        return disk
    path, format_ = disk.file, disk.driver.type if disk.driver else "raw"
    seen: list[str] = []
    layers: list[BackingStore] = []
    for layer in (*disk.backing, None):
        if path is not None:
            _note(path, seen)
        if layer is None:
            layers += _below(path, format_, seen)
        elif layer.type is None:
            return replace(disk, backing=(*layers, layer))
        else:
            layers.append(layer)
            path = layer.source.path(layer.type) if layer.source else None
            format_ = layer.format.type if layer.format else "raw"
    return replace(disk, backing=tuple(layers))


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
    while format_ == "qcow2" and path is not None:
        said = _header(path)
        if said.backing is None:
            break
        found = _source(said.backing, path)
        if found is None:
            return
        type_, source = found
        above, path = path, source.path(type_)
        if path is not None:
            _note(path, seen, above)
        format_ = _NAMES.get(said.backing_format or "", "") or _guessed(path, above)
        yield BackingStore(type=type_, format=BackingFormat(type=format_), source=source)
    if format_ not in WITH_BACKING or (format_ == "qcow2" and path is not None):
        yield BackingStore()


def _note(path: str, seen: list[str], above: str | None = None) -> None:
    """Remember an image by what it really is; the same one twice is a chain without an end."""
    try:
        real = Path(path).stat()
    except OSError as error:
        below = f"Cannot access backing file '{path}' of storage file '{above}': {error.strerror}"
        text = below if above else f"Cannot access storage file '{path}': {error.strerror}"
        raise SystemError_(text, int1=error.errno or -1, virdomain=VIR_FROM_STORAGE) from error
    if stat.S_ISFIFO(real.st_mode):
        # Whoever opens one waits for a writer: QEMU would hang.
        text = f"Cannot access storage file '{path}': it is a FIFO"
        raise SystemError_(text, int1=errno.EINVAL, virdomain=VIR_FROM_STORAGE)
    identity = f"{real.st_dev}:{real.st_ino}"
    if identity in seen or len(seen) >= MOST:
        text = f"backing store for {above or path} is self-referential or too deeply nested"
        raise InternalError(text, virdomain=VIR_FROM_STORAGE)
    seen.append(identity)


def _header(path: str) -> images.Header:
    try:
        return images.header(path)
    except OSError as error:
        text = f"cannot read header '{path}': {error.strerror}"
        raise SystemError_(text, int1=error.errno or -1, virdomain=VIR_FROM_STORAGE) from error


def _guessed(path: str | None, above: str) -> str:
    """The format of an image below that nobody named: believed only where nothing lies below it in turn."""
    said = _header(path) if path is not None else images.Header("raw")
    if said.backing is not None:
        text = f"format of backing image '{path}' of image '{above}' was not specified in the image metadata"
        raise OperationInvalid(text, virdomain=VIR_FROM_STORAGE)
    return said.format


def _source(text: str, above: str) -> tuple[str, DiskSource] | None:
    """What the name of an image below means: a type and a source, or None for what QEMU must open itself."""
    if text.startswith("json:"):
        return _from_json(text.removeprefix("json:"))
    if text.startswith("nbd"):
        return _nbd(text)
    path = text.removeprefix("file:")
    if "://" in text or (":" in text.split("/")[0] and path == text):
        return None
    return _file(str(Path(above).parent / path))


def _file(path: str) -> tuple[str, DiskSource]:
    if Path(path).is_block_device():
        return "block", DiskSource(dev=path)
    return "file", DiskSource(file=path)


def _from_json(text: str) -> tuple[str, DiskSource] | None:
    """``{"driver": "qcow2", "file": {"driver": "file", "filename": ...}}``, or ``"file.filename"``."""
    try:
        said: Any = json.loads(text)
    except ValueError:
        return None
    inner = said.get("file") if isinstance(said, dict) else None
    if inner is None and isinstance(said, dict):
        inner = {key.removeprefix("file."): value for key, value in said.items() if key.startswith("file.")}
    if not isinstance(inner, dict) or inner.get("driver", "file") not in ("file", "host_device"):
        return None
    name = inner.get("filename")
    return _file(name) if isinstance(name, str) and name.startswith("/") else None


def _nbd(text: str) -> tuple[str, DiskSource] | None:
    """``nbd://host:port/export``, ``nbd+unix:///export?socket=path``."""
    url = urlsplit(text)
    name = unquote(url.path.removeprefix("/")) or None
    if url.scheme == "nbd+unix":
        socket = parse_qs(url.query).get("socket", [""])[0]
        host = Host(transport="unix", socket=socket)
    elif url.scheme in ("nbd", "nbd+tcp") and url.hostname:
        host = Host(name=url.hostname, port=url.port or PORTS["nbd"])
    else:
        return None
    return "network", DiskSource(protocol="nbd", name=name, hosts=(host,))
