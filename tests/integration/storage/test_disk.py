"""Pools of kind disk on a real loop device: a label, and partitions as volumes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from guest.domain import uri
from integration.storage.conftest import Devices, pool_xml, program, volume_xml
from integration.storage.test_pools import refusal

MIB = 1 << 20


def disk_xml(device: str, label: str) -> str:
    """Its partitions are in /dev."""
    source = f"<source><device path='{device}'/><format type='{label}'/></source>"
    return f"<pool type='disk'><name>d</name>{source}<target><path>/dev</path></target></pool>"


def partition_xml(name: str, mib: int, format: str = "none") -> str:
    """Of so many MiB."""
    target = f"<target><format type='{format}'/></target>"
    return f"<volume><name>{name}</name><capacity>{mib * MIB}</capacity>{target}</volume>"


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A root of the storage driver."""
    with libvirt.open(uri(tmp_path / "root", "storage")) as made:
        yield made


def name(device: str, number: int) -> str:
    """That the kernel gives a partition."""
    return f"{Path(device).name}p{number}"


def test_partitions_are_made_filled_and_removed(conn: libvirt.virConnect, devices: Devices) -> None:
    """In the name that comes next, aligned; what is written stays inside; the space left is told."""
    device = devices()
    pool = conn.storagePoolDefineXML(disk_xml(device, "gpt"))
    said = f"Storage pool probe failed: Device '{device}' is unrecognized, requires build"
    assert refusal(pool.create) == (75, 18, said)
    pool.build()
    said = f"Storage pool already built: Device '{device}' already formatted using 'gpt'"
    assert refusal(pool.build) == (76, 18, said)
    pool.create()
    assert pool.info() == [2, 67091968, 0, 67074560]
    assert "<freeExtent start='17408' end='67091968'/>" in pool.XMLDesc()
    wrong = refusal(pool.createXML, partition_xml("zzz", 4))
    assert wrong == (8, 18, f"invalid argument: invalid partition name 'zzz', expected '{name(device, 1)}'")
    code, _, said = refusal(pool.createXML, partition_xml(name(device, 1), 0))
    assert (code, "volume capacity required for this storage pool" in said) == (3, True)
    sealed = partition_xml(name(device, 1), 8).replace("</target>", "<encryption format='luks'/></target>")
    code, _, said = refusal(pool.createXML, sealed)
    assert (code, "pool of type 'disk': encryption is served for volumes that are files only" in said) == (
        3,
        True,
    )
    first = pool.createXML(partition_xml(name(device, 1), 8))
    second = pool.createXML(partition_xml(name(device, 2), 4, "linux"))
    assert first.path() == first.key() == f"/dev/{name(device, 1)}"
    assert first.info() == [libvirt.VIR_STORAGE_VOL_BLOCK, 8 * MIB, 8 * MIB]
    assert f"<extent start='{9 * MIB}' end='{13 * MIB}'/>" in second.XMLDesc()
    Path(first.path()).write_bytes(os.urandom(8 * MIB))
    Path(second.path()).write_bytes(b"s" * 4 * MIB)
    clone = pool.createXMLFrom(partition_xml(name(device, 3), 4), second)
    assert Path(clone.path()).read_bytes() == b"s" * 4 * MIB
    first.wipe()
    assert Path(first.path()).read_bytes() == bytes(8 * MIB)
    assert Path(second.path()).read_bytes() == b"s" * 4 * MIB
    code, _, said = refusal(first.resize, 16 * MIB)
    assert (code, "storage pool does not support changing of volume capacity" in said) == (3, True)
    for volume in (first, second, clone):
        volume.delete()
    assert (pool.listVolumes(), pool.info()) == ([], [2, 67091968, 0, 67074560])
    pool.destroy()


def test_a_dos_label_has_logical_partitions(conn: libvirt.virConnect, devices: Devices) -> None:
    """In an extended one, which is not written to and does not go before them."""
    device = devices()
    pool = conn.storagePoolDefineXML(disk_xml(device, "dos"))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    kinds = [(1, 4, "linux"), (2, 4, "linux-swap"), (3, 24, "extended"), (4, 4, "none"), (5, 2, "none")]
    made = {n: pool.createXML(partition_xml(name(device, n), mib, kind)) for n, mib, kind in kinds}
    assert "<format type='extended'/>" in made[3].XMLDesc()
    code, _, said = refusal(made[3].wipe)
    assert (code, "extended partition" in said) == (libvirt.VIR_ERR_SYSTEM_ERROR, True)
    code, _, said = refusal(made[3].delete)
    assert (code, f"has partitions in it: {name(device, 5)}" in said) == (55, True)
    made[5].delete()
    made[3].delete()
    assert sorted(pool.listVolumes()) == [name(device, number) for number in (1, 2, 4)]
    code, _, said = refusal(pool.createXML, partition_xml(name(device, 3), 1000))
    assert (code, said.startswith("internal error: no large enough free extent: ")) == (1, True)


def test_a_partition_in_use_is_neither_written_nor_removed(
    conn: libvirt.virConnect, tmp_path: Path, devices: Devices
) -> None:
    """While it is mounted, say: libvirt 9 would wipe it."""
    device = devices()
    pool = conn.storagePoolDefineXML(disk_xml(device, "gpt"))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    volume = pool.createXML(partition_xml(name(device, 1), 16))
    (tmp_path / "m").mkdir()
    program("mkfs.ext4", "-q", volume.path())
    program("mount", volume.path(), str(tmp_path / "m"))
    try:
        assert "Device or resource busy" in refusal(volume.wipe)[2]
        assert refusal(volume.delete)[0] == 1
    finally:
        program("umount", str(tmp_path / "m"))
    volume.delete()
    assert pool.listVolumes() == []


def test_what_took_the_place_of_a_partition_is_left_alone(conn: libvirt.virConnect, devices: Devices) -> None:
    """Another of the same name, made behind the pool's back: neither wiped nor removed."""
    device = devices()
    pool = conn.storagePoolDefineXML(disk_xml(device, "gpt"))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    volume = pool.createXML(partition_xml(name(device, 1), 8))
    program("parted", "--script", device, "rm", "1", "mkpart", "x", "17825792B", "22020095B")
    Path(volume.path()).write_bytes(b"other")
    assert "is not volume" in refusal(volume.wipe)[2]
    assert refusal(volume.delete)[0] == libvirt.VIR_ERR_NO_STORAGE_VOL
    assert Path(volume.path()).read_bytes()[:5] == b"other"
    pool.refresh()
    volume.delete()


def test_a_copy_that_fails_leaves_no_partition(conn: libvirt.virConnect, devices: Devices) -> None:
    """It is made when all that is to be in it is on disk: at no time is half of it there."""
    device = devices()
    pool = conn.storagePoolDefineXML(disk_xml(device, "gpt"))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    source = pool.createXML(partition_xml(name(device, 1), 8))
    before = pool.info()
    failing = {"path": device}
    with faults.inject("file.written", faults.error(errno.EIO), where=failing, after=3) as fault:
        code, _, said = refusal(pool.createXMLFrom, partition_xml(name(device, 2), 8), source)
        assert (code, "Input/output error" in said, fault.hits) == (libvirt.VIR_ERR_SYSTEM_ERROR, True, 1)
    assert (pool.listVolumes(), pool.info()) == ([name(device, 1)], before)
    pool.createXMLFrom(partition_xml(name(device, 2), 8), source)
    assert pool.listVolumes() == [name(device, 1), name(device, 2)]


def test_an_image_is_copied_as_a_guest_sees_it(
    conn: libvirt.virConnect, tmp_path: Path, devices: Devices
) -> None:
    """A qcow2 volume of another pool fills a partition; the bytes of neighbours stay; and back to a file."""
    device, folder = devices(), tmp_path / "images"
    images = conn.storagePoolDefineXML(pool_xml("images", folder))
    images.build()
    program("qemu-img", "create", "-q", "-f", "qcow2", str(folder / "q"), "3M")
    program("qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 1M", str(folder / "q"))
    images.create()
    pool = conn.storagePoolDefineXML(disk_xml(device, "gpt"))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    first = pool.createXML(partition_xml(name(device, 1), 1))
    Path(first.path()).write_bytes(b"1" * MIB)
    made = pool.createXMLFrom(partition_xml(name(device, 2), 4), images.storageVolLookupByName("q"))
    content = Path(made.path()).read_bytes()
    assert content[: 3 * MIB] == bytes(MIB) + b"\7" * MIB + bytes(MIB)
    assert Path(first.path()).read_bytes() == b"1" * MIB
    for kind in ("raw", "qcow2"):
        images.createXMLFrom(volume_xml(f"back.{kind}", 4 * MIB, format=kind), made)
        assert program("qemu-img", "compare", "-f", "raw", made.path(), str(folder / f"back.{kind}"))
