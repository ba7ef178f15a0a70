"""``<driver>`` of a disk: the image's format and how it is read and written; ``<iotune>``."""

from __future__ import annotations

from dataclasses import fields

from embervirt.drivers.qemu.model.device import VirtioDriver
from embervirt.drivers.xml import Element, attr, child, choice, content, integer, on_off, text
from embervirt.drivers.xml.units import Unit
from embervirt.errors import ConfigUnsupported

FORMATS = {
    "raw": "raw",
    "qcow2": "qcow2",
    "bochs": "bochs",
    "cloop": "cloop",
    "dmg": "dmg",
    "ploop": "parallels",
    "qcow": "qcow",
    "qed": "qed",
    "vdi": "vdi",
    "vhd": "vhdx",
    "vmdk": "vmdk",
    "vpc": "vpc",
}
"""libvirt's names of formats, and QEMU's drivers of them."""

LATER_FORMATS = ("fat", "iso", "cow", "dir")
"""Of these libvirt has a word, and its driver for QEMU an error."""

WITH_BACKING = ("qcow2", "qcow", "qed", "vmdk")
"""Formats of which an image can lie upon another."""

_U32 = integer(0, 2**32 - 1)
_U64 = integer(0, 2**64 - 1)
_POSITIVE = integer(1, 2**32 - 1)
_errors = ("stop", "report", "ignore")


class _Bytes(Unit):
    """A unit of a size that is written in bytes."""

    def encode(self, value: int) -> str:
        return "bytes" if value == 1 else super().encode(value)


class MaxSize(Element, tag="max_size"):
    """``count`` units of ``unit`` bytes."""

    unit: int = attr("unit", _Bytes(), default=1)
    count: int = content(integer(0, 2**63 - 1))

    @property
    def bytes(self) -> int:
        """The size."""
        return self.unit * self.count


class MetadataCache(Element, tag="metadata_cache"):
    max_size: MaxSize | None = child(MaxSize, default=None)


class DiskDriver(VirtioDriver, tag="driver"):
    """``queues`` and the like are virtio's; None is what QEMU takes by itself.

    ``format``: as it is written; only of a volume a definition may leave it out.
    """

    name: str | None = attr("name", default=None)
    format: str | None = attr(
        "type", choice(*FORMATS, error=ConfigUnsupported, later=LATER_FORMATS), default=None
    )
    cache: str | None = attr(
        "cache", choice("default", "none", "writethrough", "writeback", "directsync", "unsafe"), default=None
    )
    error_policy: str | None = attr("error_policy", choice(*_errors, "enospace"), default=None)
    rerror_policy: str | None = attr("rerror_policy", choice(*_errors, later=("enospace",)), default=None)
    io: str | None = attr("io", choice("threads", "native", "io_uring"), default=None)
    ioeventfd: bool | None = attr("ioeventfd", on_off, default=None)
    event_idx: bool | None = attr("event_idx", on_off, default=None)
    copy_on_read: bool | None = attr("copy_on_read", on_off, default=None)
    discard: str | None = attr("discard", choice("unmap", "ignore"), default=None)
    iothread: int | None = attr("iothread", _POSITIVE, default=None)
    detect_zeroes: str | None = attr("detect_zeroes", choice("off", "on", "unmap"), default=None)
    queues: int | None = attr("queues", _U32, default=None)
    queue_size: int | None = attr("queue_size", _U32, default=None)
    metadata_cache: MetadataCache | None = child(MetadataCache, default=None)

    @property
    def type(self) -> str:
        """The image's format, which is never guessed: libvirt takes a volume for raw, too."""
        return self.format or "raw"

    @property
    def virtio_only(self) -> dict[str, object]:
        """What only a virtio device can be given, by its name in the XML: ``queue_size`` may be anywhere."""
        given = {
            "ioeventfd": self.ioeventfd,
            "event_idx": self.event_idx,
            "queues": self.queues,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def options(self) -> dict[str, bool]:
        """What any virtio device can be told, by its name in the XML."""
        given = {
            "iommu": self.iommu,
            "ats": self.ats,
            "packed": self.packed,
            "page_per_vq": self.page_per_vq,
        }
        return {name: value for name, value in given.items() if value is not None}


class IoTune(Element, tag="iotune"):
    """Limits: bytes and operations a second, bursts (``max``) and how many seconds those may last.

    Names are QEMU's; ``group``: all disks of it share one budget.
    """

    bps: int | None = text("total_bytes_sec", _U64, default=None)
    bps_rd: int | None = text("read_bytes_sec", _U64, default=None)
    bps_wr: int | None = text("write_bytes_sec", _U64, default=None)
    iops: int | None = text("total_iops_sec", _U64, default=None)
    iops_rd: int | None = text("read_iops_sec", _U64, default=None)
    iops_wr: int | None = text("write_iops_sec", _U64, default=None)
    bps_max: int | None = text("total_bytes_sec_max", _U64, default=None)
    bps_rd_max: int | None = text("read_bytes_sec_max", _U64, default=None)
    bps_wr_max: int | None = text("write_bytes_sec_max", _U64, default=None)
    iops_max: int | None = text("total_iops_sec_max", _U64, default=None)
    iops_rd_max: int | None = text("read_iops_sec_max", _U64, default=None)
    iops_wr_max: int | None = text("write_iops_sec_max", _U64, default=None)
    iops_size: int | None = text("size_iops_sec", _U64, default=None)
    group: str | None = text("group_name", default=None)
    bps_max_length: int | None = text("total_bytes_sec_max_length", _U64, default=None)
    bps_rd_max_length: int | None = text("read_bytes_sec_max_length", _U64, default=None)
    bps_wr_max_length: int | None = text("write_bytes_sec_max_length", _U64, default=None)
    iops_max_length: int | None = text("total_iops_sec_max_length", _U64, default=None)
    iops_rd_max_length: int | None = text("read_iops_sec_max_length", _U64, default=None)
    iops_wr_max_length: int | None = text("write_iops_sec_max_length", _U64, default=None)

    @property
    def limits(self) -> list[int]:
        """What is there beside the group."""
        numbers = (getattr(self, item.name) for item in fields(self))
        return [number for number in numbers if isinstance(number, int)]
