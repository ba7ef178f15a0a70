"""The block nodes of a disk: for each image of its chain what holds it and what is in it.

``nodes`` gives a whole chain, ``image_nodes`` one image; nothing here knows of the device. An image that
QEMU's own header names and the domain does not is opened by QEMU itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from embervirt.drivers.qemu.model import Disk, DiskDriver
from embervirt.drivers.qemu.model.disk_driver import FORMATS, WITH_BACKING, MetadataCache
from embervirt.drivers.qemu.model.disk_source import Auth, DiskSource, Encryption, EncryptionSecret
from embervirt.drivers.qemu.parts import disk_network
from embervirt.drivers.qemu.parts.context import CompileContext, Known
from embervirt.drivers.qemu.parts.part import Blockdev, Object, Pluggable
from embervirt.drivers.qemu.parts.secret import MASTER_KEY
from embervirt.errors import ConfigUnsupported, InternalError, InvalidArgument

CACHE = {
    "none": (True, False, True),
    "writethrough": (False, False, False),
    "writeback": (False, False, True),
    "directsync": (True, False, False),
    "unsafe": (False, True, True),
}
"""``cache`` as (direct, no-flush, the device's write cache). Source: qemu-options, ``-drive cache=``."""

LOCAL = {"file": "file", "block": "host_device"}
"""QEMU's drivers of what is on this host."""

FLEXIBLE = {"auto-read-only": True, "discard": "unmap"}
"""A storage node is opened for writing only while somebody above wants to write."""


@dataclass(frozen=True)
class Image:
    """One image of a chain. ``number`` is in its nodes' names; ``top``: the one that the guest writes to."""

    type: str
    source: DiskSource
    number: str
    format: str
    readonly: bool
    encryption: Encryption | None = None
    auth: Auth | None = None
    metadata_cache: MetadataCache | None = None
    top: bool = False

    @property
    def storage(self) -> str:
        """The node of the file, the device or the server's export."""
        return f"libvirt-{self.number}-storage"

    @property
    def node(self) -> str:
        """The node of what is in it."""
        return f"libvirt-{self.number}-format"


def chain(disk: Disk) -> list[Image]:
    """The images of a disk, the one the guest sees first; none for an empty drive. Numbers must be there."""
    if disk.source is None or disk.is_empty:
        return []
    driver = disk.driver or DiskDriver()
    top = Image(
        disk.actual, disk.source, disk.source.index or "", driver.type, disk.readonly,
        disk.encrypted, disk.access, driver.metadata_cache, top=True,
    )  # fmt: skip
    return [top, *_below(disk)]


def _below(disk: Disk) -> Iterator[Image]:
    for layer in disk.backing:
        if layer.type and layer.source and layer.format:
            kind, source = layer.format, layer.source
            yield Image(
                layer.type, source, layer.index or "", kind.type, True,
                source.encryption, source.auth, kind.metadata_cache,
            )  # fmt: skip


def top_node(disk: Disk) -> str | None:
    """The node that the device reads and writes; None for an empty drive."""
    if disk.is_empty:
        return None
    return copy_on_read(disk) or chain(disk)[0].node


def copy_on_read(disk: Disk) -> str | None:
    """The node that keeps a copy of all that is read from the images below, if it is asked for."""
    return f"libvirt-CoR-{disk.dev}" if disk.driver and disk.driver.copy_on_read else None


def nodes(disk: Disk, context: CompileContext) -> Iterator[Pluggable]:
    """All nodes of a disk's chain with their secrets, the deepest image first.

    Raises ConfigUnsupported, InvalidArgument, what ``context.secret`` raises.
    """
    images = chain(disk)
    ended = any(layer.type is None for layer in disk.backing)
    below: str | None = None
    for place, image in reversed(list(enumerate(images))):
        last = place == len(images) - 1
        yield from image_nodes(image, disk, context, below, known=ended or not last)
        below = image.node
    if images and copy_on_read(disk):
        props = {"driver": "copy-on-read", "node-name": copy_on_read(disk), "file": images[0].node}
        yield Blockdev({**props, "discard": "unmap"})


def image_nodes(
    image: Image, disk: Disk, context: CompileContext, backing: str | None, *, known: bool = True
) -> Iterator[Pluggable]:
    """The nodes of one image of a disk, upon the node ``backing``; ``known``: None is no image below."""
    if backing and image.format not in WITH_BACKING:
        raise ConfigUnsupported(f"storage format '{image.format}' does not support backing store")
    cache = _cache(disk)
    yield from _secrets(image, context)
    yield from disk_network.objects(image.source, image.storage, context)
    yield Blockdev({**_storage(image, disk), "node-name": image.storage, **cache, **FLEXIBLE})
    part, below = image.source.slice, image.storage
    offsets = {"offset": part.offset, "size": part.size} if part else {}
    if offsets and (image.format != "raw" or (image.encryption and not _by_ceph(image.encryption))):
        below = f"libvirt-{image.number}-slice-sto"
        name = {"driver": "raw", "node-name": below}
        yield Blockdev({**name, **offsets, "file": image.storage, **FLEXIBLE, **cache})
        offsets = {}
    yield Blockdev(
        {
            "node-name": image.node,
            "read-only": image.readonly,
            **_zeroes(disk, image),
            **cache,
            **_format(image),
            **offsets,
            "file": below,
            **({"backing": backing} if known and image.format in WITH_BACKING else {}),
        }
    )


def cache_mode(disk: Disk) -> str | None:
    """As the XML says; what several guests write to at once is never cached by the host."""
    given = disk.driver.cache if disk.driver else None
    if given in CACHE:
        return given
    return "none" if disk.shareable and not disk.readonly else None


def _cache(disk: Disk) -> dict[str, Any]:
    mode = cache_mode(disk)
    if mode is None:
        return {}
    direct, no_flush, _ = CACHE[mode]
    return {"cache": {"direct": direct, "no-flush": no_flush}}


def _storage(image: Image, disk: Disk) -> dict[str, Any]:
    source = image.source
    if image.type == "network":
        made = disk_network.storage(source, image.storage, image.auth)
        return {**made, "encrypt": _unlock(image)} if _by_ceph(image.encryption) else made
    if source.fdgroup:
        raise InvalidArgument(f"file descriptor group '{source.fdgroup}' was not associated with the domain")
    if image.type not in LOCAL:
        raise InternalError(f"volume '{source.volume}' of pool '{source.pool}' was not looked up")
    aio = {"aio": disk.driver.io} if disk.driver and disk.driver.io else {}
    return {"driver": LOCAL[image.type], "filename": source.path(image.type), **aio}


def _secrets(image: Image, context: CompileContext) -> Iterator[Pluggable]:
    if image.auth and image.type == "network":
        password = disk_network.password(image.source, image.auth)
        yield _secret(disk_network.auth_secret(image.storage), password, context)
    if image.source.cookies:
        known = Known(image.source.cookies.header.encode())
        yield _secret(disk_network.cookie_secret(image.storage), known, context)
    if image.encryption:
        yield _secret(_key(image), image.encryption.secrets[0], context)


def _secret(name: str, reference: EncryptionSecret | Known, context: CompileContext) -> Object:
    value = context.secret(reference)
    props = {"data": value.data, "keyid": MASTER_KEY, "iv": value.iv, "format": "base64"}
    return Object("secret", name, props)


def _key(image: Image) -> str:
    return f"{image.node}-encryption-secret0"


def _by_ceph(encryption: Encryption | None) -> bool:
    """Whether the library of the server's client decrypts the image."""
    return encryption is not None and encryption.engine == "librbd"


def _unlock(image: Image) -> dict[str, Any]:
    format_ = image.encryption.format if image.encryption else ""
    return {"format": format_, "key-secret": _key(image)}


def _format(image: Image) -> dict[str, Any]:
    """The format's driver with its decryption and its cache of metadata."""
    size = image.metadata_cache.max_size if image.metadata_cache else None
    cache = {"cache-size": size.bytes} if size else {}
    if image.encryption is None or _by_ceph(image.encryption):
        return {"driver": FORMATS[image.format], **cache}
    if image.format == "raw":
        return {"driver": "luks", "key-secret": _key(image)}
    return {"driver": FORMATS[image.format], "encrypt": _unlock(image), **cache}


def _zeroes(disk: Disk, image: Image) -> dict[str, Any]:
    """What becomes of discarded and of zeroed blocks; zeroes are only unmapped where discards are."""
    driver = disk.driver or DiskDriver()
    props = {"discard": driver.discard} if driver.discard else {}
    zeroes = driver.detect_zeroes if image.top else None
    if zeroes == "unmap" and driver.discard != "unmap":
        zeroes = "on"
    return {**props, "detect-zeroes": zeroes} if zeroes else props
