"""What the XML of a pool says."""

from __future__ import annotations

from lxml import etree

from embervirt.drivers.storage.errors import StorageUnsupported, StorageXml
from embervirt.drivers.storage.model.kinds import KINDS, Kind
from embervirt.drivers.storage.model.permissions import Permissions
from embervirt.drivers.storage.model.source import Source
from embervirt.drivers.xml import Element, attr, byte_size, child, choice, foreign, text
from embervirt.drivers.xml.codecs import Switch, Uuid

MOUNT_OPTIONS = "{http://libvirt.org/schemas/storagepool/fs/1.0}"
CONFIG_OPTIONS = "{http://libvirt.org/schemas/storagepool/rbd/1.0}"
"""Namespaces of options that libvirt hands on without a word about them."""


class Cow(Element, tag="cow"):
    """Whether files are copied on write; ``no`` switches that off where the file system can."""

    state: bool | None = attr("state", Switch("yes", "no", StorageXml), default=None)


class PoolFeatures(Element, tag="features"):
    cow: Cow | None = child(Cow, default=None)


class PoolTarget(Element, tag="target"):
    """Where the pool appears on this host."""

    path: str | None = text("path", default=None)
    permissions: Permissions | None = child(Permissions, default=None)


class RefreshVolume(Element, tag="volume"):
    """How a refresh measures what a volume uses."""

    allocation: str | None = attr(
        "allocation", choice("default", "capacity", error=StorageUnsupported), default=None
    )


class Refresh(Element, tag="refresh"):
    volume: RefreshVolume | None = child(RefreshVolume, default=None)


class Pool(Element, tag="pool"):
    """A pool. Capacity, allocation and available are in bytes; a definition that gives them is not heard."""

    type: str = attr("type", choice(*KINDS, error=StorageXml))
    name: str | None = text("name", default=None)
    uuid: str | None = text("uuid", Uuid(StorageXml), default=None)
    capacity: int | None = byte_size("capacity", default=None)
    allocation: int | None = byte_size("allocation", default=None)
    available: int | None = byte_size("available", default=None)
    features: PoolFeatures | None = child(PoolFeatures, default=None)
    source: Source = child(Source, default=Source())
    target: PoolTarget | None = child(PoolTarget, default=None)
    refresh: Refresh | None = child(Refresh, default=None)
    foreign: tuple[str, ...] = foreign(default=())

    @property
    def kind(self) -> Kind:
        """What its type stands for."""
        return KINDS[self.type]

    @property
    def path(self) -> str:
        """The target path; "" when it has none."""
        return (self.target.path if self.target else None) or ""

    @property
    def permissions(self) -> Permissions:
        """Those of the target, empty when nothing is said."""
        return (self.target.permissions if self.target else None) or Permissions()

    @property
    def format(self) -> str | None:
        """The source's format; None when its kind has none."""
        return self.source.format.type if self.source.format else None

    @property
    def cow(self) -> bool | None:
        """What ``<cow state=>`` says."""
        return self.features.cow.state if self.features and self.features.cow else None

    @property
    def allocation_from_capacity(self) -> bool:
        """Whether a refresh takes a volume's capacity for its allocation, without looking."""
        volume = self.refresh.volume if self.refresh else None
        return volume is not None and volume.allocation == "capacity"

    @property
    def mount_options(self) -> tuple[str | None, ...]:
        """Those in ``<fs:mount_opts>``; None for one without a name."""
        return tuple(name for name, _ in self.options(MOUNT_OPTIONS))

    def options(self, namespace: str) -> tuple[tuple[str | None, str | None], ...]:
        """Names and values of the ``<option>`` elements of a namespace, None for what is not given."""
        given = (etree.fromstring(xml) for xml in self.foreign)
        found = (each for root in given for each in root.iterchildren(f"{namespace}option"))
        return tuple((each.get("name"), each.get("value")) for each in found)
