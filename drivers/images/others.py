"""The headers of the other formats; a function for each.

Sources: QEMU's docs/interop/qed_spec.rst, the LUKS on-disk format specification 1.2.3 and 2, VMware's
Virtual Disk Format 5.0, Microsoft's Virtual Hard Disk Image Format Specification, VirtualBox's VDI, the
Bochs documentation of redologs, and images that the tools make.
"""

from __future__ import annotations

import re
import struct

from embervirt.drivers.images.image import Image, Read, backing_text

SECTOR = 512

QED = struct.Struct("<4sIIIQQQQQII")
"""Magic, cluster size, table size, header size, features (3), L1 offset, bytes, name's offset and length."""
QED_BACKED, QED_RAW = 1 << 0, 1 << 2

VMDK = struct.Struct("<4sIIQQQQ")
"""Magic, version, flags, sectors, grain, descriptor's offset and length in sectors."""
PARENT = re.compile(rb'^parentFileNameHint="([^"\n]*)"', re.MULTILINE)
EXTENT = re.compile(rb"^(?:RW|RDONLY|NOACCESS) ([0-9]{1,18}) ", re.MULTILINE)
LONGEST_DESCRIPTOR = 1 << 20
LONGEST_NAME = 1023

VPC_SIZE, VPC_GEOMETRY, VPC_CREATOR = 48, struct.Struct(">HBB"), slice(28, 32)
VPC_BY_SIZE = (b"win ", b"qem2", b"d2v ", b"tap\0")
"""Programs whose images are as large as they say, not as their geometry says."""
LARGEST_GEOMETRY = 65535 * 16 * 255

BOCHS_OLD = 0x00010000


def qed(head: bytes, read: Read) -> Image:
    """QEMU's enhanced disk."""
    if len(head) < QED.size:
        return Image("raw")
    _, cluster, _, _, features, _, _, _, size, offset, length = QED.unpack_from(head)
    if not features & QED_BACKED:
        return Image("qed", size, cluster_size=cluster)
    below = backing_text(read, offset, length, LONGEST_NAME)
    return Image("qed", size, below, "raw" if features & QED_RAW else None, cluster_size=cluster)


def vmdk(head: bytes, read: Read) -> Image:
    """VMware's, sparse: a descriptor inside names the image below."""
    if len(head) < VMDK.size:
        return Image("raw")
    _, _, _, sectors, _, offset, length = VMDK.unpack_from(head)
    descriptor = (
        read(min(offset * SECTOR, 2**62), min(length * SECTOR, LONGEST_DESCRIPTOR)) if offset else b""
    )
    return Image("vmdk", sectors * SECTOR, _parent(descriptor))


def vmdk_text(head: bytes, read: Read) -> Image:
    """VMware's descriptor in a file of its own: its extents are other files."""
    text = read(0, LONGEST_DESCRIPTOR)
    return Image("vmdk", sum(int(each) for each in EXTENT.findall(text)) * SECTOR, _parent(text))


def _parent(descriptor: bytes) -> str | None:
    found = PARENT.search(descriptor)
    return found[1].decode(errors="surrogateescape") if found else None


def vmdk_old(head: bytes, read: Read) -> Image:
    """Of ESX: 32-bit sectors at 12."""
    return Image("vmdk", int.from_bytes(head[12:16], "little") * SECTOR)


def vdi(head: bytes, read: Read) -> Image:
    """VirtualBox's."""
    return Image("vdi", int.from_bytes(head[0x170:0x178], "little"))


def vpc(head: bytes, read: Read) -> Image:
    """Microsoft's dynamic or differencing disk; its size by geometry, as most programs have it."""
    if len(head) < SECTOR:
        return Image("raw")
    cylinders, heads, sectors = VPC_GEOMETRY.unpack_from(head, 56)
    total = cylinders * heads * sectors
    if head[VPC_CREATOR] in VPC_BY_SIZE or total in (0, LARGEST_GEOMETRY):
        return Image("vpc", int.from_bytes(head[VPC_SIZE : VPC_SIZE + 8], "big"))
    return Image("vpc", total * SECTOR)


def bochs(head: bytes, read: Read) -> Image:
    """A growing redolog; the size stands after a time stamp but in the first version."""
    if head[32:39] != b"Redolog" or head[48:55] != b"Growing":
        return Image("raw")
    at = 84 if int.from_bytes(head[64:68], "little") == BOCHS_OLD else 88
    return Image("bochs", int.from_bytes(head[at : at + 8], "little"))


def cloop(head: bytes, read: Read) -> Image:
    """A compressed loop image: block size and number of blocks at 128."""
    return Image("cloop", int.from_bytes(head[128:132], "big") * int.from_bytes(head[132:136], "big"))


def luks(head: bytes, read: Read) -> Image:
    """libvirt's words for it: raw, encrypted. See ``luks_payload`` for the size."""
    return Image("raw", encryption="luks2" if head[6:8] == b"\0\2" else "luks")


def luks_payload(head: bytes) -> int:
    """Bytes before the data of version 1, which the guest does not see."""
    return int.from_bytes(head[104:108], "big") * SECTOR


def ploop(head: bytes, read: Read) -> Image:
    """Parallels': 64-bit sectors at 36, 32-bit in the older one."""
    width = 8 if head[:16] == b"WithouFreSpacExt" else 4
    return Image("ploop", int.from_bytes(head[36 : 36 + width], "little") * SECTOR)
