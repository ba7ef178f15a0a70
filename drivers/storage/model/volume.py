"""What the XML of a volume says."""

from __future__ import annotations

from embervirt.drivers.storage.errors import StorageUnsupported
from embervirt.drivers.storage.model.kinds import VOLUME_TYPES
from embervirt.drivers.storage.model.permissions import Permissions
from embervirt.drivers.storage.model.target import BackingStore, VolumeTarget
from embervirt.drivers.xml import Element, attr, byte_size, child, children, choice, integer, text


class Extent(Element, tag="extent"):
    """Bytes ``start`` to ``end`` of a device belong to the volume."""

    start: int = attr("start", integer())
    end: int = attr("end", integer())


class ExtentDevice(Element, tag="device"):
    path: str | None = attr("path", default=None)
    extents: tuple[Extent, ...] = children(Extent, default=())


class VolumeSource(Element, tag="source"):
    """On which devices a volume lies; it is told, and not heard."""

    devices: tuple[ExtentDevice, ...] = children(ExtentDevice, default=())


class Volume(Element, tag="volume"):
    """A volume. Sizes are in bytes: what a guest sees, what is in use, how long the file or device is."""

    type: str | None = attr("type", choice(*VOLUME_TYPES, error=StorageUnsupported), default=None)
    name: str | None = text("name", default=None)
    key: str | None = text("key", default=None)
    source: VolumeSource | None = child(VolumeSource, default=None)
    capacity: int | None = byte_size("capacity", default=None)
    allocation: int | None = byte_size("allocation", default=None)
    physical: int | None = byte_size("physical", default=None)
    target: VolumeTarget = child(VolumeTarget, default=VolumeTarget())
    backing: BackingStore | None = child(BackingStore, default=None)

    @property
    def path(self) -> str:
        """The target path; "" when it has none."""
        return self.target.path or ""

    @property
    def format(self) -> str:
        """The target's format; "raw" where the kind of pool has none."""
        return (self.target.format.type if self.target.format else None) or "raw"

    @property
    def permissions(self) -> Permissions:
        """Those of the target, empty when nothing is said."""
        return self.target.permissions or Permissions()
