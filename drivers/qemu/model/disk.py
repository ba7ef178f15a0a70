"""``<disk>``: an image file, how it is read, and what the guest sees."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.xml import (
    Element,
    Text,
    attr,
    child,
    children,
    choice,
    flag,
    integer,
    text,
    uuid,
)
from embervirt.errors import ConfigUnsupported

_FORMATS = (
    "bochs",
    "cloop",
    "dmg",
    "iso",
    "vpc",
    "vdi",
    "vhd",
    "vhdx",
    "ploop",
    "cow",
    "qcow",
    "qed",
    "vmdk",
)


class EncryptionSecret(Element, tag="secret"):
    """Names a secret by UUID or by usage."""

    type: str = attr("type", choice("passphrase", error=ConfigUnsupported))
    uuid: str | None = attr("uuid", uuid, default=None)
    usage: str | None = attr("usage", default=None)


class Encryption(Element, tag="encryption", refuse=("cipher", "ivgen")):
    format: str = attr("format", choice("luks", error=ConfigUnsupported))
    engine: str = attr("engine", choice("qemu", later=("librbd",)), default="qemu")
    secrets: tuple[EncryptionSecret, ...] = children(EncryptionSecret, default=())


class DiskDriver(
    Element,
    tag="driver",
    refuse=(
        *(
            "@error_policy",
            "@rerror_policy",
            "@ioeventfd",
            "@event_idx",
            "@copy_on_read",
            "@iothread",
            "@queues",
        ),
        *("@queue_size", "@iommu", "@ats", "@packed", "@page_per_vq", "metadata_cache", "iothreads"),
    ),
):
    name: str = attr("name", choice("qemu", error=ConfigUnsupported), default="qemu")
    type: str = attr("type", choice("raw", "qcow2", error=ConfigUnsupported, later=_FORMATS), default="raw")
    cache: str | None = attr(
        "cache", choice("default", "none", "writethrough", "writeback", "directsync", "unsafe"), default=None
    )
    io: str | None = attr("io", choice("threads", "native", "io_uring"), default=None)
    discard: str | None = attr("discard", choice("unmap", "ignore"), default=None)
    detect_zeroes: str | None = attr("detect_zeroes", choice("off", "on", "unmap"), default=None)


class DiskSource(
    Element,
    tag="source",
    refuse=(
        *("@dev", "@dir", "@protocol", "@pool", "@volume", "@startupPolicy", "@fdgroup"),
        *("seclabel", "reservations", "slices", "ssl", "cookies", "host", "auth", "initiator"),
    ),
):
    file: str | None = attr("file", default=None)
    index: int | None = attr("index", integer(0, 2**31 - 1), default=None)
    encryption: Encryption | None = child(Encryption, default=None)


class BackingStore(Element, tag="backingStore", refuse=("@type", "format", "source", "backingStore")):
    """Empty: the image is said to have no backing file, whatever its header says."""


class DiskTarget(Element, tag="target", refuse=("@removable", "@rotation_rate", "@tray")):
    dev: str = attr("dev")
    bus: str | None = attr(
        "bus", choice("virtio", "sata", "ide", later=("fdc", "scsi", "xen", "usb", "uml", "sd")), default=None
    )


class Disk(
    Device,
    tag="disk",
    refuse=(
        *("@rawio", "@sgio", "@model", "auth", "boot", "iotune", "transient", "wwn", "vendor", "product"),
        *("blockio", "geometry", "mirror"),
    ),
):
    """``encryption`` may stand here or in the source: ``encrypted`` is the one that is there."""

    type: str = attr(
        "type",
        choice("file", later=("block", "dir", "network", "volume", "nvme", "vhostuser", "vhostvdpa")),
        default="file",
    )
    device: str = attr("device", choice("disk", "cdrom", later=("floppy", "lun")), default="disk")
    snapshot: str | None = attr("snapshot", choice("no", "internal", "external", "manual"), default=None)
    driver: DiskDriver | None = child(DiskDriver, default=None)
    source: DiskSource | None = child(DiskSource, default=None)
    backing_store: BackingStore | None = child(BackingStore, default=None)
    target: DiskTarget | None = child(DiskTarget, default=None)
    readonly: bool = flag("readonly", default=False)
    shareable: bool = flag("shareable", default=False)
    serial: str | None = text(
        "serial",
        Text(r"[A-Za-z0-9_.\-+: ]*", "letters, digits, blanks, '_', '.', '-', '+', ':'", ConfigUnsupported),
        default=None,
    )
    encryption: Encryption | None = child(Encryption, default=None)

    @property
    def dev(self) -> str:
        """The name of the target; empty only before ``validate``."""
        return self.target.dev if self.target else ""

    @property
    def bus(self) -> str | None:
        """The bus of the target; never None after ``postparse``."""
        return self.target.bus if self.target else None

    @property
    def file(self) -> str | None:
        """The image, None for an empty tray."""
        return self.source.file if self.source else None

    @property
    def encrypted(self) -> Encryption | None:
        """How the image is encrypted."""
        return (self.source.encryption if self.source else None) or self.encryption
