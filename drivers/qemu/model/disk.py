"""``<disk>``: an image, how it is read (``disk_driver``), where it is (``disk_source``), its device."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import VIRTIO, Boot, Device
from embervirt.drivers.qemu.model.disk_driver import (
    FORMATS,
    LATER_FORMATS,
    DiskDriver,
    IoTune,
    MetadataCache,
)
from embervirt.drivers.qemu.model.disk_source import (
    LATER_TYPES,
    TYPES,
    Auth,
    DiskSource,
    Encryption,
    EncryptionSecret,
)
from embervirt.drivers.xml import (
    Element,
    Text,
    attr,
    child,
    choice,
    flag,
    integer,
    nested,
    on_off,
    text,
    yes_no,
)
from embervirt.errors import InternalError

__all__ = ["BackingStore", "Disk", "DiskDriver", "DiskSource", "Encryption", "EncryptionSecret", "IoTune"]

BELOW = ("file", "block", "network")
"""Types of images below others: libvirt 9 reads volumes there, and cannot start them."""

_U32 = integer(0, 2**32 - 1)


class BackingFormat(Element, tag="format"):
    type: str = attr("type", choice(*FORMATS, later=LATER_FORMATS))
    metadata_cache: MetadataCache | None = child(MetadataCache, default=None)


class BackingStore(Element, tag="backingStore", nested="backingStore"):
    """The image that another lies upon. Without a type it is none: the chain ends, whatever a header says."""

    type: str | None = attr("type", choice(*BELOW, later=("volume", *LATER_TYPES)), default=None)
    index: str | None = attr("index", default=None)
    format: BackingFormat | None = child(BackingFormat, default=None)
    source: DiskSource | None = child(DiskSource, default=None)


class DiskTarget(Element, tag="target"):
    """``dev`` None is an error of its own; ``rotation_rate`` 1 is a disk that does not rotate."""

    dev: str | None = attr("dev", default=None)
    bus: str | None = attr(
        "bus",
        choice("virtio", "sata", "scsi", "ide", "usb", "fdc", later=("xen", "uml", "sd")),
        default=None,
    )
    tray: str | None = attr("tray", choice("open", "closed"), default=None)
    removable: bool | None = attr("removable", on_off, default=None)
    rotation_rate: int | None = attr("rotation_rate", _U32, default=None)


class Geometry(Element, tag="geometry"):
    """Cylinders, heads, sectors, and how the firmware counts them."""

    cyls: int = attr("cyls", _U32, default=0)
    heads: int = attr("heads", _U32, default=0)
    secs: int = attr("secs", _U32, default=0)
    trans: str | None = attr("trans", choice("auto", "none", "lba"), default=None)


class BlockIo(Element, tag="blockio"):
    """Bytes of a block as the guest sees it."""

    logical: int | None = attr("logical_block_size", _U32, default=None)
    physical: int | None = attr("physical_block_size", _U32, default=None)


class BackendDomain(Element, tag="backenddomain"):
    """Which of Xen's domains has the image: kept, as libvirt keeps it, and of no effect with QEMU."""

    name: str | None = attr("name", default=None)


class Disk(Device, tag="disk", refuse=("transient",)):
    """``auth`` and ``encryption`` may stand here or in the source: ``access`` and ``encrypted`` are both."""

    type: str = attr("type", choice(*TYPES, later=LATER_TYPES), default="file")
    device: str = attr("device", choice("disk", "cdrom", "floppy", "lun"), default="disk")
    model: str | None = attr("model", choice(*VIRTIO), default=None)
    rawio: bool | None = attr("rawio", yes_no, default=None)
    sgio: str | None = attr("sgio", choice("filtered", later=("unfiltered",)), default=None)
    snapshot: str | None = attr("snapshot", choice("no", "internal", "external", "manual"), default=None)
    driver: DiskDriver | None = child(DiskDriver, default=None)
    auth: Auth | None = child(Auth, default=None)
    source: DiskSource | None = child(DiskSource, default=None)
    backing: tuple[BackingStore, ...] = nested(BackingStore, default=())
    backend_domain: BackendDomain | None = child(BackendDomain, default=None)
    geometry: Geometry | None = child(Geometry, default=None)
    blockio: BlockIo | None = child(BlockIo, default=None)
    target: DiskTarget | None = child(DiskTarget, default=None)
    iotune: IoTune | None = child(IoTune, default=None)
    readonly: bool = flag("readonly", default=False)
    shareable: bool = flag("shareable", default=False)
    serial: str | None = text(
        "serial",
        Text(r"[A-Za-z0-9_.\-+ ]*", "letters, digits, blanks, '_', '.', '-', '+'", InternalError),
        default=None,
    )
    wwn: str | None = text(
        "wwn", Text("(0x)?[0-9a-fA-F]{16}", "16 hexadecimal digits", InternalError), default=None
    )
    vendor: str | None = text("vendor", Text("[ -~]*", "printable characters"), default=None)
    product: str | None = text("product", Text("[ -~]*", "printable characters"), default=None)
    encryption: Encryption | None = child(Encryption, default=None)
    boot: Boot | None = child(Boot, default=None)

    @property
    def dev(self) -> str:
        """The name of the target; empty only before ``validate``."""
        return (self.target.dev if self.target else None) or ""

    @property
    def bus(self) -> str | None:
        """The bus of the target; never None after ``postparse``."""
        return self.target.bus if self.target else None

    @property
    def file(self) -> str | None:
        """The image's file or block device on this host; None for an empty tray, and for a server's."""
        return self.source.path(self.type) if self.source else None

    @property
    def actual(self) -> str:
        """Its type; of a volume that was found the type of what it is."""
        return self.source.actual(self.type) if self.source else self.type

    @property
    def is_empty(self) -> bool:
        """Whether there is no medium in it."""
        return self.source is None or self.source.is_empty(self.type)

    @property
    def removable(self) -> bool:
        """Whether its medium can be changed."""
        return self.device in ("cdrom", "floppy")

    @property
    def encrypted(self) -> Encryption | None:
        """How the image is encrypted."""
        return (self.source.encryption if self.source else None) or self.encryption

    @property
    def access(self) -> Auth | None:
        """The account of the server."""
        return (self.source.auth if self.source else None) or self.auth
