"""Pools of kind logical: a real volume group on loop devices; volumes where there is device-mapper."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import uri
from integration.storage.conftest import Devices, pool_xml, program, volume_xml
from integration.storage.test_pools import refusal

MIB = 1 << 20


@pytest.fixture
def group() -> str:
    """A name that no group of this host has."""
    return f"ev{uuid.uuid4().hex[:12]}"


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A root of the storage driver."""
    with libvirt.open(uri(tmp_path / "root", "storage")) as made:
        yield made


@pytest.fixture
def mapper() -> None:
    """Skips where no logical volume can be active."""
    if "Driver version" not in program("dmsetup", "version", check=False):
        pytest.skip("this kernel has no device-mapper: a logical volume can be neither made nor active")


def group_xml(group: str, *devices: str) -> str:
    """Of these devices."""
    source = "".join(f"<device path='{each}'/>" for each in devices)
    return f"<pool type='logical'><name>{group}</name><source>{source}</source></pool>"


def layered(name: str, mib: int, path: str) -> str:
    """A snapshot of the volume at ``path``."""
    below = f"<backingStore><path>{path}</path></backingStore>"
    return f"<volume><name>{name}</name><capacity>{mib * MIB}</capacity>{below}</volume>"


def test_a_group_is_made_of_its_devices_found_and_removed(
    conn: libvirt.virConnect, devices: Devices, group: str
) -> None:
    """Built once, started, its space told, offered as a source, deleted; refused in libvirt 9's words."""
    one, two = devices(), devices()
    pool = conn.storagePoolDefineXML(group_xml(group, one, two))
    missing = f"unsupported configuration: cannot find logical volume group name '{group}'"
    assert refusal(pool.create) == (67, 18, missing)
    pool.build()
    said = f"Storage pool already built: Device '{one}' already formatted using 'LVM2_member'"
    assert refusal(pool.build) == (76, 18, said)
    pool.build(libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE)
    pool.create()
    assert pool.info() == [2, 2 * 60 * MIB, 0, 2 * 60 * MIB]
    assert f"<path>/dev/{group}</path>\n  </target>" in pool.XMLDesc()
    offered = f"<device path='{one}'/>\n    <device path='{two}'/>\n    <name>{group}</name>"
    assert offered in conn.findStoragePoolSources("logical", None)
    pool.destroy()
    pool.delete()
    assert group not in program("vgs", "--noheadings", "-o", "vg_name")
    assert refusal(pool.create) == (67, 18, missing)


def test_a_build_that_fails_takes_back_what_it_made(
    conn: libvirt.virConnect, devices: Devices, group: str
) -> None:
    """A second device that does not exist: the first is no physical volume afterwards."""
    device = devices()
    pool = conn.storagePoolDefineXML(group_xml(group, device, "/dev/nosuch"))
    assert refusal(pool.build, libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE)[0] == 1
    assert program("blkid", "-p", device, check=False) == ""


def test_a_group_that_lies_elsewhere_is_not_taken(
    conn: libvirt.virConnect, devices: Devices, group: str
) -> None:
    """Its name is not enough."""
    device = devices()
    program("vgcreate", group, device)
    pool = conn.storagePoolDefineXML(group_xml(group, "/dev/nosuch"))
    said = f"cannot find any matching source devices for logical volume group '{group}'"
    code, _, text = refusal(pool.create)
    assert (code, said in text) == (67, True)


@pytest.mark.usefixtures("mapper")
def test_volumes_are_made_copied_changed_and_removed(
    conn: libvirt.virConnect, tmp_path: Path, devices: Devices, group: str
) -> None:
    """Each has its UUID as its key and where it lies; a wipe ends at its last byte."""
    device = devices()
    pool = conn.storagePoolDefineXML(group_xml(group, device))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    one = pool.createXML(volume_xml("one", 5 * MIB, allocation=None))
    two = pool.createXML(volume_xml("two", 4 * MIB, allocation=None))
    assert one.info() == [libvirt.VIR_STORAGE_VOL_BLOCK, 8 * MIB, 8 * MIB]
    assert one.key() == program("lvs", "--noheadings", "-o", "lv_uuid", f"{group}/one").strip()
    assert f"<device path='{device}'>\n      <extent start='{8 * MIB}' end='{12 * MIB}'/>" in two.XMLDesc()
    assert conn.storageVolLookupByKey(one.key()).name() == "one"
    Path(one.path()).write_bytes(os.urandom(8 * MIB))
    Path(two.path()).write_bytes(b"2" * 4 * MIB)
    clone = pool.createXMLFrom(volume_xml("copy", MIB), two)
    assert Path(clone.path()).read_bytes() == b"2" * 4 * MIB
    one.wipe()
    assert Path(one.path()).read_bytes() == bytes(8 * MIB)
    assert Path(two.path()).read_bytes() == b"2" * 4 * MIB
    images = conn.storagePoolDefineXML(pool_xml("images", tmp_path / "images"))
    images.build()
    images.create()
    file = images.createXMLFrom(volume_xml("file", 4 * MIB, format="qcow2"), two)
    back = pool.createXMLFrom(volume_xml("back", 4 * MIB), file)
    assert Path(back.path()).read_bytes() == b"2" * 4 * MIB
    back.delete()
    clone.resize(8 * MIB)
    assert clone.info()[1] == 8 * MIB
    code, _, said = refusal(pool.createXML, volume_xml("big", 1 << 30, allocation=None))
    assert (code, "insufficient free space" in said) == (1, True)
    for volume in (one, two, clone):
        volume.delete()
    assert (pool.listVolumes(), pool.info()[2]) == ([], 0)


@pytest.mark.usefixtures("mapper")
def test_snapshots_and_sparse_volumes_are_what_libvirt_shows(
    conn: libvirt.virConnect, devices: Devices, group: str
) -> None:
    """With what they are of; not wiped, and not forgotten when that is deleted. A thin pool is no volume."""
    pool = conn.storagePoolDefineXML(group_xml(group, devices()))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    below = pool.createXML(volume_xml("below", 8 * MIB, allocation=None))
    above = pool.createXML(layered("above", 8, below.path()))
    sparse = pool.createXML(volume_xml("sparse", 16 * MIB, allocation=4 * MIB))
    assert sparse.info() == [libvirt.VIR_STORAGE_VOL_BLOCK, 16 * MIB, 4 * MIB]
    assert f"<backingStore>\n    <path>{below.path()}</path>" in above.XMLDesc()
    said = "this function is not supported by the connection driver: logical volume"
    for volume in (above, sparse):
        text = f"{said} '{volume.path()}' is sparse, volume wipe not supported"
        assert refusal(volume.wipe) == (3, 18, text)
    code, _, text = refusal(below.delete)
    assert (code, "has snapshots: above" in text) == (55, True)
    program("lvcreate", "--yes", "--type", "thin-pool", "-L", "8M", "-n", "thin", group)
    pool.refresh()
    assert sorted(pool.listVolumes()) == ["above", "below", "sparse"]


@pytest.mark.usefixtures("mapper")
def test_what_is_in_use_stays_and_the_pool_active(
    conn: libvirt.virConnect, devices: Devices, group: str
) -> None:
    """Neither deleted nor deactivated; a second opening finds what there is, and sweeps what is half-made."""
    pool = conn.storagePoolDefineXML(group_xml(group, devices()))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    volume = pool.createXML(volume_xml("one", 8 * MIB, allocation=None))
    with Path(volume.path()).open("rb"):
        assert "in use" in refusal(volume.delete)[2]
        code, _, said = refusal(pool.destroy)
        assert (code, "in use" in said, pool.isActive()) == (1, True, 1)
    program("lvcreate", "--yes", "-L", "4M", "-n", ".embervirt-0123456789abcdef.tmp", group)
    pool.refresh()
    assert pool.listVolumes() == ["one"]
    assert "embervirt" not in program("lvs", "--noheadings", "-o", "lv_name", group)
    pool.destroy()
    assert pool.isActive() == 0


@pytest.mark.usefixtures("mapper")
def test_a_pool_is_what_lvm_says_when_its_root_is_opened(
    tmp_path: Path, devices: Devices, group: str
) -> None:
    """Deactivated behind its back it is not active, activated it is."""
    where = uri(tmp_path / "root", "storage")
    with libvirt.open(where) as conn:
        pool = conn.storagePoolDefineXML(group_xml(group, devices()))
        pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
        pool.createXML(volume_xml("one", 8 * MIB, allocation=None))
    program("vgchange", "-aln", group)
    with libvirt.open(where) as conn:
        assert conn.storagePoolLookupByName(group).isActive() == 0
    program("vgchange", "-aly", group)
    with libvirt.open(where) as conn:
        pool = conn.storagePoolLookupByName(group)
        assert (pool.isActive(), pool.listVolumes()) == (1, ["one"])
