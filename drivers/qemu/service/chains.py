"""Images as a guest starts from them: each chain looked up in its files, missing optional media gone.

As libvirt has it: what the XML says of a chain counts; where it stops saying, the header of the last image
tells which is below (``images.chain``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from embervirt.drivers.images import chain
from embervirt.drivers.images.naming import Named, Server
from embervirt.drivers.qemu.errors import VIR_FROM_STORAGE
from embervirt.drivers.qemu.model import Disk, Domain
from embervirt.drivers.qemu.model.disk import BackingFormat, BackingStore
from embervirt.drivers.qemu.model.disk_driver import FORMATS
from embervirt.drivers.qemu.model.disk_source import DiskSource, Host
from embervirt.drivers.xml import replace
from embervirt.errors import OperationInvalid
from embervirt.log import get_logger

_NAMES = {theirs: ours for ours, theirs in FORMATS.items()}


def opened(domain: Domain) -> Domain:
    """The domain with every chain told to its end, without the disks whose optional files are missing.

    Raises as ``chain.below``, and OperationInvalid for a format that QEMU's driver is not served of.
    """
    disks = tuple(map(followed, _present(domain.devices.disks)))
    return replace(domain, devices=replace(domain.devices, disks=disks))


def followed(disk: Disk) -> Disk:
    """One disk with its chain told to its end. Raises as ``opened``."""
    if disk.source is None or disk.is_empty:
        return disk
    path, format_ = _whole(disk.source, disk.type), disk.driver.type if disk.driver else "raw"
    seen: chain.Seen = set()
    if disk.file is not None:
        chain.note(disk.file, seen, characters=True)
    layers: list[BackingStore] = []
    for layer in (*disk.backing, None):
        if path is not None:
            chain.looked_at(path, format_)
        if layer is None:
            layers += _below(path, format_, seen)
        elif layer.type is None:
            return replace(disk, backing=(*layers, layer))
        else:
            layers.append(layer)
            if layer.source is not None and (file := layer.source.path(layer.type)):
                chain.note(file, seen, characters=True)
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


def _below(path: str | None, format_: str, seen: chain.Seen) -> Iterator[BackingStore]:
    """The images under one of that format, and the end of the chain where it is known."""
    for link in chain.below(path, format_, seen):
        path, format_ = link.named.path, _format(link)
        type_, source = _source(link.named)
        yield BackingStore(type=type_, format=BackingFormat(type=format_), source=source)
    if format_ not in chain.BACKED or path is not None:
        yield BackingStore()


def _source(found: Named) -> tuple[str, DiskSource]:
    """As a domain's XML has it."""
    if found.server is not None:
        return "network", _network(found.server)
    if found.path is not None and Path(found.path).is_block_device():
        return "block", DiskSource(dev=found.path)
    return "file", DiskSource(file=found.path)


def _network(server: Server) -> DiskSource:
    host = Host(name=server.host, port=server.port)
    if server.socket is not None:
        host = Host(transport="unix", socket=server.socket)
    return DiskSource(protocol=server.protocol, name=server.name, query=server.query, hosts=(host,))


def _format(link: chain.Link) -> str:
    """libvirt's word for the format of an image below."""
    if link.format not in _NAMES:
        what = f"backing image '{link.named.path or 'of a server'}' of image '{link.above}'"
        text = f"format '{link.format}' of {what} is not served; expected one of: {', '.join(_NAMES)}"
        raise OperationInvalid(text, virdomain=VIR_FROM_STORAGE)
    return _NAMES[link.format]
