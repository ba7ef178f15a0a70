"""A disk's driver and bus, its source without what says nothing, and the order in which disks stand."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from dataclasses import fields

from embervirt.drivers.qemu.model.disk import BackingStore, BlockIo, Disk, DiskTarget, Geometry
from embervirt.drivers.qemu.model.disk_driver import DiskDriver, IoTune, MaxSize, MetadataCache
from embervirt.drivers.qemu.model.disk_source import PORTS, DiskSource, Host, Identity, Slices
from embervirt.drivers.xml import replace
from embervirt.errors import XmlError

_BUSES = {"vd": "virtio", "sd": "scsi", "hd": "ide", "fd": "fdc", "xvd": "xen", "ubd": "uml"}
_TARGET = re.compile("(vd|sd|hd|fd|xvd|ubd)([a-z]{1,6})")
_IOEMU = "ioemu:"
"""Before the names of disks in descriptions that old Xen programs made."""

_WEB = ("http", "https", "ftp", "ftps")
_ENCRYPTED = ("https", "ftps")


def disk_index(dev: str) -> int | None:
    """``vda`` is 0, ``vdz`` 25, ``vdaa`` 26; None for what is no disk's name."""
    match = _TARGET.fullmatch(dev)
    if match is None:
        return None
    index = 0
    for letter in match[2]:
        index = index * 26 + string.ascii_lowercase.index(letter) + 1
    return index - 1


def complete(disk: Disk) -> Disk:
    """With the bus that its name stands for; a CD-ROM cannot be written, an empty drive is one for files.

    Raises XmlError for a server's disk without a protocol, and for a name that says no place.
    """
    readonly = disk.readonly or disk.device == "cdrom"
    _protocol(disk.source, disk.type)
    type_ = "file" if disk.removable and disk.source is None else disk.type
    return replace(
        disk,
        type=type_,
        readonly=readonly,
        snapshot=None if readonly and disk.snapshot == "no" else disk.snapshot,
        driver=_driver(disk.driver or DiskDriver(), type_),
        source=_with_unit(_source(disk.source, type_)),
        backing=tuple(_backing(disk.backing)),
        target=_target(disk),
        iotune=_iotune(disk.iotune),
        blockio=_blockio(disk.blockio),
        backend_domain=disk.backend_domain if disk.backend_domain and disk.backend_domain.name else None,
        geometry=_geometry(disk.geometry),
    )


def in_order(disks: Iterable[Disk]) -> tuple[Disk, ...]:
    """Disks of one bus in the order of their names; buses in the order they come.

    When a domain is defined this is done before a bus that nobody named is known, as libvirt does it: such
    disks are in one order whatever their names begin with.
    """
    listed = list(disks)
    buses = list(dict.fromkeys(disk.bus for disk in listed))
    return tuple(sorted(listed, key=lambda disk: (buses.index(disk.bus), disk_index(disk.dev) or 0)))


def limited(disks: Iterable[Disk]) -> tuple[Disk, ...]:
    """With the limits of its group for a disk that only names the group."""
    listed = tuple(disks)
    groups = {tune.group: tune for disk in listed if (tune := disk.iotune) and tune.limits}
    return tuple(_shared(disk, groups) for disk in listed)


def _shared(disk: Disk, groups: dict[str | None, IoTune]) -> Disk:
    tune = disk.iotune
    if tune is None or tune.group is None or tune.limits or tune.group not in groups:
        return disk
    return replace(disk, iotune=groups[tune.group])


def _driver(driver: DiskDriver, type_: str) -> DiskDriver:
    """Of a volume nobody fills in the format before it is known that it is there."""
    return replace(
        driver,
        name="qemu" if driver.name is None else driver.name,
        cache=None if driver.cache == "default" else driver.cache,
        format=driver.format or (None if type_ == "volume" else "raw"),
        queues=driver.queues or None,
        queue_size=driver.queue_size or None,
        metadata_cache=_in_bytes(driver.metadata_cache),
    )


def _in_bytes(cache: MetadataCache | None) -> MetadataCache | None:
    size = cache.max_size.bytes if cache and cache.max_size else 0
    return MetadataCache(max_size=MaxSize(unit=1, count=size)) if size else None


def _target(disk: Disk) -> DiskTarget | None:
    if disk.target is None or disk.target.dev is None:
        return disk.target
    target = replace(disk.target, dev=disk.target.dev.removeprefix(_IOEMU))
    dev = target.dev or ""
    if disk.address is None and disk_index(dev.rstrip(string.digits)) is None:
        text = f"Unknown disk name '{dev[:40]}' and no address specified; expected vda, sda and so on"
        raise XmlError(text)
    match = _TARGET.match(dev)
    bus = "fdc" if disk.device == "floppy" else _BUSES[match[1]] if match else None
    tray = None if target.tray == "closed" else target.tray
    return replace(target, bus=target.bus or bus, tray=tray, rotation_rate=target.rotation_rate or None)


def _protocol(source: DiskSource | None, type_: str) -> None:
    if type_ == "network" and source is not None and source.protocol is None:
        raise XmlError("Missing required attribute 'protocol' in element 'source' of a network disk")


def _source(source: DiskSource | None, type_: str) -> DiskSource | None:
    """Only what belongs to the type; nothing for what then says nothing."""
    own = _own(source, type_) if source else None
    return None if own == DiskSource() else own


def _own(source: DiskSource, type_: str) -> DiskSource:
    actual, of_pool = source.actual(type_), type_ == "volume"
    common = replace(
        source,
        pool=source.pool if of_pool else None,
        volume=source.volume if of_pool else None,
        mode=source.mode if of_pool else None,
        file=(source.file or None) if actual == "file" else None,
        dev=(source.dev or None) if actual == "block" else None,
        slices=_slices(source.slices),
        seclabels=tuple(label for label in source.seclabels if actual != "network" and not label.labelskip),
    )
    if actual == "network":
        return _network(common)
    return replace(
        common, protocol=None, name=None, query=None, tls=None, tls_hostname=None, hosts=(), snapshot=None,
        config=None, initiator=None, ssl=None, cookies=None, readahead=None, timeout=None, identity=None,
    )  # fmt: skip


def _network(source: DiskSource) -> DiskSource:
    web, plain_web = source.protocol in _WEB, source.protocol in ("http", "https")
    return replace(
        source,
        name=source.name or None,
        hosts=tuple(_host(host, source.protocol) for host in source.hosts),
        query=source.query if plain_web else None,
        cookies=source.cookies if plain_web and source.cookies and source.cookies.cookies else None,
        ssl=source.ssl if source.protocol in _ENCRYPTED else None,
        readahead=source.readahead if web and source.readahead and source.readahead.size else None,
        timeout=source.timeout if web and source.timeout and source.timeout.seconds else None,
        initiator=source.initiator if source.initiator and source.initiator.iqn else None,
        identity=source.identity if source.protocol == "nfs" and source.identity != Identity() else None,
    )


def _with_unit(source: DiskSource | None) -> DiskSource | None:
    """Of an iSCSI target without a unit it is the first; below another image nobody says so."""
    if source is None or source.protocol != "iscsi" or not source.name or "/" in source.name:
        return source
    return replace(source, name=f"{source.name}/0")


def _host(host: Host, protocol: str | None) -> Host:
    if host.unix:
        return Host(transport="unix", socket=host.socket)
    return Host(name=host.name, port=host.port or PORTS.get(protocol or ""), socket=host.socket)


def _slices(slices: Slices | None) -> Slices | None:
    return slices if slices and slices.slices else None


def _backing(layers: tuple[BackingStore, ...]) -> Iterable[BackingStore]:
    """Up to the first without a type, which ends the chain and says nothing else."""
    for layer in layers:
        if layer.type is None:
            yield BackingStore()
            return
        _protocol(layer.source, layer.type)
        kind = layer.format
        if kind:
            kind = replace(kind, metadata_cache=_in_bytes(kind.metadata_cache))
        source = _source(layer.source, layer.type) or (layer.source and DiskSource())
        source = replace(source, startup_policy=None) if source else None
        yield replace(layer, format=kind, source=source)


def _iotune(tune: IoTune | None) -> IoTune | None:
    """Without limits of 0, which are none."""
    if tune is None:
        return None
    names = [item.name for item in fields(tune)]
    kept = IoTune(**{name: getattr(tune, name) or None for name in names})
    return None if kept == IoTune() else kept


def _blockio(sizes: BlockIo | None) -> BlockIo | None:
    kept = BlockIo(logical=sizes.logical or None, physical=sizes.physical or None) if sizes else None
    return None if kept == BlockIo() else kept


def _geometry(geometry: Geometry | None) -> Geometry | None:
    """A geometry without one of the three numbers is none."""
    return geometry if geometry and geometry.cyls and geometry.heads and geometry.secs else None
