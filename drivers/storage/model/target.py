"""The image of a volume: where, in which format, with which features."""

from __future__ import annotations

from embervirt.drivers.storage.errors import StorageXml
from embervirt.drivers.storage.model.encryption import Encryption
from embervirt.drivers.storage.model.permissions import Permissions
from embervirt.drivers.storage.model.source import Format
from embervirt.drivers.xml import Element, Text, byte_size, child, flag, text

COMPAT = Text(
    r"[0-9]+\.[0-9]+", "a version such as 0.10 or 1.1 (else: forbidden characters in 'compat')", StorageXml
)


class Timestamps(Element, tag="timestamps"):
    """Seconds since the epoch with nine digits behind the point; 0 when the file system does not know.

    They are told, and not heard.
    """

    atime: str | None = text("atime", default=None)
    mtime: str | None = text("mtime", default=None)
    ctime: str | None = text("ctime", default=None)
    btime: str | None = text("btime", default=None)


class VolumeFeatures(Element, tag="features", closed=True):
    """Of qcow2 in version 1.1."""

    lazy_refcounts: bool = flag("lazy_refcounts", default=False)
    extended_l2: bool = flag("extended_l2", default=False)


class VolumeTarget(Element, tag="target"):
    """``cluster_size`` is in bytes, of qcow2; ``nocow`` asks for a file that is not copied on write."""

    path: str | None = text("path", default=None)
    format: Format | None = child(Format, default=None)
    permissions: Permissions | None = child(Permissions, default=None)
    timestamps: Timestamps | None = child(Timestamps, default=None)
    encryption: Encryption | None = child(Encryption, default=None)
    compat: str | None = text("compat", COMPAT, default=None)
    nocow: bool = flag("nocow", default=False)
    cluster_size: int | None = byte_size("clusterSize", unit="B", default=None)
    features: VolumeFeatures | None = child(VolumeFeatures, default=None)


class BackingStore(Element, tag="backingStore"):
    """The image that a volume lies upon."""

    path: str | None = text("path", default=None)
    format: Format | None = child(Format, default=None)
    permissions: Permissions | None = child(Permissions, default=None)
    timestamps: Timestamps | None = child(Timestamps, default=None)

    @property
    def format_name(self) -> str:
        """ "raw" when none is named: a format is never guessed."""
        return (self.format.type if self.format else None) or "raw"
