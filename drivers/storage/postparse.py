"""What libvirt fills into the XML of a pool or volume, and what it does not hear: pure functions.

Facts are what libvirt 9 gives back after define, for each kind of pool.
"""

from __future__ import annotations

import re
import uuid as uuids

from lxml import etree

from embervirt.drivers.storage.model import (
    Adapter,
    Auth,
    BackingStore,
    Device,
    Dir,
    Encryption,
    Format,
    Initiator,
    Permissions,
    Pool,
    PoolTarget,
    Source,
    Volume,
    VolumeTarget,
)
from embervirt.drivers.storage.model.permissions import NOBODY
from embervirt.drivers.storage.model.pool import CONFIG_OPTIONS, MOUNT_OPTIONS
from embervirt.drivers.xml import replace

NAMESPACES = {
    "fs": f"{MOUNT_OPTIONS}mount_opts",
    "netfs": f"{MOUNT_OPTIONS}mount_opts",
    "rbd": f"{CONFIG_OPTIONS}config_opts",
}
"""The element of another namespace that a kind of pool has."""

_SLASHES = re.compile("/+")


def sanitized(path: str) -> str:
    """A path without repeated and trailing slashes; two at its start mean something (POSIX) and stay."""
    start = "/" if path.startswith("//") and not path.startswith("///") else ""
    short = _SLASHES.sub("/", path)
    return start + (short.rstrip("/") or "/" if short else "")


def postparse_pool(pool: Pool) -> Pool:
    """Complete; a second time changes nothing. What validate will refuse stays as it is."""
    name = pool.name or ("name" in pool.kind.source and pool.source.name) or None
    source = _source(pool, name)
    return replace(
        pool,
        name=name,
        uuid=pool.uuid or str(uuids.uuid4()),
        capacity=0,
        allocation=0,
        available=0,
        features=pool.features if pool.cow is not None else None,
        source=source,
        target=_pool_target(pool, source),
        refresh=pool.refresh
        if pool.refresh and pool.refresh.volume and pool.refresh.volume.allocation
        else None,
        foreign=_foreign(pool),
    )


def _source(pool: Pool, name: str | None) -> Source:
    """What this kind has of a source, and what every kind has."""
    given, has = pool.source, pool.kind.source
    default = pool.kind.default_format
    own_name = given.name or (name if pool.type != "rbd" else None)
    return replace(
        given,
        hosts=given.hosts if "hosts" in has else (),
        devices=tuple(_device(each) for each in given.devices) if "devices" in has else (),
        dir=_dir(pool) if "dir" in has else None,
        adapter=_adapter(given.adapter) if "adapter" in has else None,
        name=own_name if "name" in has else None,
        initiator=_initiator(given.initiator) if "initiator" in has else None,
        format=_format(given.format, default) if default else None,
        auth=_auth(given.auth),
        protocol=given.protocol if given.protocol and given.protocol.ver else None,
        vendor=given.vendor if given.vendor and given.vendor.name else None,
        product=given.product if given.product and given.product.name else None,
    )


def _device(device: Device) -> Device:
    return replace(device, free_extents=())


def _dir(pool: Pool) -> Dir | None:
    path = pool.source.dir.path if pool.source.dir else None
    if pool.type == "gluster":
        path = path or "/"
    return Dir(path=sanitized(path)) if path else None


def _adapter(adapter: Adapter | None) -> Adapter | None:
    """A bare name is that of a SCSI host; an empty element is none. Other bare attributes want a type."""
    if adapter is None or adapter == Adapter():
        return None
    if adapter.type is None and adapter.name and adapter == Adapter(name=adapter.name):
        return replace(adapter, type="scsi_host")
    return adapter


def _initiator(initiator: Initiator | None) -> Initiator | None:
    return initiator if initiator and initiator.iqn and initiator.iqn.name else None


def _format(given: Format | None, default: str) -> Format:
    return Format(type=(given.type if given else None) or default)


def _auth(auth: Auth | None) -> Auth | None:
    return replace(auth, secret=replace(auth.secret, type=None)) if auth and auth.secret else auth


def _pool_target(pool: Pool, source: Source) -> PoolTarget | None:
    if not pool.kind.target:
        return None
    path = sanitized(pool.path) if pool.kind.target == "given" else pool.kind.target.format(source.name or "")
    return PoolTarget(path=path or None, permissions=permissions(pool.permissions))


def permissions(given: Permissions | None) -> Permissions | None:
    """None when nothing is said; an owner of -1 is the one that it has."""
    if given is None:
        return None
    owner, group = (None if each in (-1, NOBODY) else each for each in (given.owner, given.group))
    made = replace(given, owner=owner, group=group, label=given.label or None)
    return None if all(each is None for each in (made.mode, owner, group, made.label)) else made


def _foreign(pool: Pool) -> tuple[str, ...]:
    """Options of this kind of pool, if there are some."""
    wanted = NAMESPACES.get(pool.type)
    return tuple(xml for xml in pool.foreign if (root := etree.fromstring(xml)).tag == wanted and len(root))


def postparse_volume(volume: Volume, pool: Pool) -> Volume:
    """Complete but for path and key, which ``placed`` gives; a second time changes nothing."""
    allocation = volume.capacity if volume.allocation is None else volume.allocation
    return replace(
        volume,
        type=volume.type or "file",
        name=volume.name or None,
        source=None,
        allocation=allocation,
        physical=None,
        target=_volume_target(volume.target, pool),
        backing=_backing(volume.backing, pool),
    )


def _volume_target(target: VolumeTarget, pool: Pool) -> VolumeTarget:
    default = pool.kind.default_volume_format
    return replace(
        target,
        format=_format(target.format, default) if default else None,
        permissions=permissions(target.permissions),
        timestamps=None,
        encryption=_encryption(target.encryption),
        compat=target.compat or ("1.1" if target.features is not None else None),
        cluster_size=target.cluster_size or None,
    )


def _encryption(given: Encryption | None) -> Encryption | None:
    """Only what is LUKS has algorithms."""
    return given if given is None or given.format == "luks" else replace(given, cipher=None, ivgen=None)


def _backing(backing: BackingStore | None, pool: Pool) -> BackingStore | None:
    """None without a path; its format is "raw" when none is named, of a partition "none"."""
    if backing is None or not backing.path:
        return None
    default = pool.kind.default_volume_format
    return replace(
        backing,
        format=_format(backing.format, default) if default else None,
        permissions=permissions(backing.permissions),
        timestamps=None,
    )


def placed(volume: Volume, pool: Pool) -> Volume:
    """With the path and key that a pool gives a volume of its name, and its kind's type."""
    path = f"{pool.path}/{volume.name}"
    kind = volume.type if volume.type == "dir" else pool.kind.volume_type
    return replace(volume, type=kind, key=path, target=replace(volume.target, path=path))


def shown(volume: Volume) -> Volume:
    """As its XML is shown: without wishes that only its making hears."""
    return replace(volume, target=replace(volume.target, nocow=False))
