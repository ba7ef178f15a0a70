"""What each kind of pool is made of: a table.

Source: libvirt's storage pool documentation, and what libvirt 9 answers and keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

IMAGES = (
    "none", "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop",
    "cow", "qcow", "qcow2", "qed", "vmdk",
)  # fmt: skip
"""Formats of an image file; ``none`` is listed by libvirt and not accepted."""

FILE_SYSTEMS = (
    "auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat", "hfs+", "xfs", "ocfs2",
    "vmfs",
)  # fmt: skip
LABELS = ("unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2")
PARTITIONS = ("none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended")

VOLUME_TYPES = ("file", "block", "dir", "network", "netdir", "ploop")
"""virStorageVolType, by its number."""


@dataclass(frozen=True)
class Kind:
    """One kind of pool. ``source``: the fields of a source that it has, of those that not all have.

    ``formats``, ``volume_formats``: none, and a format that is given is dropped. The first is the default,
    of ``formats`` unless ``format`` names it.
    ``target``: where its path comes from: "given", a format of the source's name, or "" for no target.
    ``served``: whether this driver runs it.
    """

    source: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    volume_formats: tuple[str, ...] = ()
    target: str = "given"
    volume_type: str = "file"
    served: bool = False
    format: str = ""

    @property
    def default_format(self) -> str | None:
        """That of a source that names none."""
        return self.format or (self.formats[0] if self.formats else None)

    @property
    def default_volume_format(self) -> str | None:
        """That of a volume that names none."""
        if self.volume_formats == IMAGES:
            return "raw"
        return self.volume_formats[0] if self.volume_formats else None


KINDS: dict[str, Kind] = {
    "dir": Kind(volume_formats=IMAGES, served=True),
    "fs": Kind(("devices",), FILE_SYSTEMS, IMAGES, served=True),
    "netfs": Kind(("hosts", "dir"), ("auto", "nfs", "glusterfs", "cifs"), IMAGES, served=True),
    "logical": Kind(
        ("name", "devices"), ("unknown", "lvm2"), (), "/dev/{}", "block", served=True, format="lvm2"
    ),
    "disk": Kind(("devices",), LABELS, PARTITIONS, volume_type="block", served=True),
    "iscsi": Kind(("hosts", "devices", "initiator"), volume_type="block"),
    "iscsi-direct": Kind(("hosts", "devices", "initiator"), target="", volume_type="network"),
    "scsi": Kind(("adapter",), volume_type="block"),
    "mpath": Kind(volume_type="block"),
    "rbd": Kind(("hosts", "name"), (), ("raw", *IMAGES[2:]), "", volume_type="network"),
    "sheepdog": Kind(("hosts", "name"), target="", volume_type="network"),
    "gluster": Kind(("hosts", "dir", "name"), (), IMAGES, "", volume_type="network"),
    "zfs": Kind(("name", "devices"), (), (), "/dev/zvol/{}", volume_type="block"),
    "vstorage": Kind(("name",), (), IMAGES),
}
"""By virStoragePoolType's words, in the order of its numbers."""
