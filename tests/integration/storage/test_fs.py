"""Pools of kind fs on real devices: made, mounted, found again, in use."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt import faults
from guest.calls import began
from guest.domain import SECONDS, crash, give_up, uri, wait_until
from integration.storage.conftest import Devices, mounts, program, volume_xml
from integration.storage.test_pools import refusal

OVERWRITE = libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE
NO_OVERWRITE = libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE


def fs_xml(name: str, device: str, target: Path, format: str = "ext4") -> str:
    """A file system on a device."""
    source = f"<source><device path='{device}'/><format type='{format}'/></source>"
    return f"<pool type='fs'><name>{name}</name>{source}<target><path>{target}</path></target></pool>"


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """A root of the storage driver."""
    with libvirt.open(uri(tmp_path / "root", "storage")) as made:
        yield made


def test_a_file_system_is_made_mounted_used_and_let_go(
    conn: libvirt.virConnect, tmp_path: Path, devices: Devices
) -> None:
    """Its volumes are files like those of a directory; its space is the file system's; stop unmounts it."""
    device, target = devices(), tmp_path / "mnt"
    pool = conn.storagePoolDefineXML(fs_xml("f", device, target))
    pool.build(NO_OVERWRITE)
    pool.create()
    assert mounts(device) == [str(target)]
    found = os.statvfs(target)
    state, capacity, allocation, available = pool.info()
    assert (state, capacity) == (libvirt.VIR_STORAGE_POOL_RUNNING, found.f_frsize * found.f_blocks)
    assert allocation + available == capacity < 64 << 20
    volume = pool.createXML(volume_xml("a", 1 << 20, allocation=None))
    clone = pool.createXMLFrom(volume_xml("b", 1 << 20, format="qcow2"), volume)
    assert sorted(pool.listVolumes()) == ["a", "b", "lost+found"]
    assert pool.info()[2] > allocation + (1 << 20)
    volume.resize(2 << 20)
    volume.wipe()
    clone.delete()
    pool.destroy()
    assert (mounts(device), pool.isActive(), list(target.iterdir())) == ([], 0, [])
    pool.create()
    assert sorted(pool.listVolumes()) == ["a", "lost+found"]
    pool.destroy()
    pool.delete()
    assert not target.exists()


def test_a_build_overwrites_only_what_it_is_told_to(
    conn: libvirt.virConnect, tmp_path: Path, devices: Devices
) -> None:
    """Without a flag only the directory is made; a device that holds something is left."""
    device, target = devices(), tmp_path / "mnt"
    pool = conn.storagePoolDefineXML(fs_xml("f", device, target))
    said = f"internal error: Child process (mount -o nodev,nosuid,noexec -t ext4 {device} {target})"
    said += f" unexpected exit status 32: mount: {target}:"
    assert refusal(pool.create)[2].startswith(f"{said} mount point does not exist")
    pool.build()
    assert (target.is_dir(), program("blkid", "-p", device, check=False)) == (True, "")
    assert refusal(pool.create)[2].startswith(f"{said} wrong fs type")
    pool.build(NO_OVERWRITE)
    before = program("blkid", "-p", "-o", "value", "-s", "UUID", device)
    said = f"Storage pool already built: Device '{device}' already formatted using 'ext4'"
    assert refusal(pool.build, NO_OVERWRITE) == (76, 18, said)
    assert program("blkid", "-p", "-o", "value", "-s", "UUID", device) == before
    pool.build(OVERWRITE)
    assert program("blkid", "-p", "-o", "value", "-s", "UUID", device) != before
    pool.undefine()
    pool = conn.storagePoolDefineXML(fs_xml("f", device, target, "xfs"))
    code, _, said = refusal(pool.build, NO_OVERWRITE)
    wrong = "does not match the expected format 'xfs', forced overwrite is necessary"
    assert (code, wrong in said) == (76, True)
    pool.undefine()
    pool = conn.storagePoolDefineXML(fs_xml("f", "/dev/nosuch", target))
    said = "Requested operation is not valid: Source device does not exist when formatting pool 'f'"
    assert refusal(pool.build, OVERWRITE)[2].startswith(said)


def test_what_is_in_use_is_not_unmounted(conn: libvirt.virConnect, tmp_path: Path, devices: Devices) -> None:
    """The error says so, and the pool is as active as before."""
    device, target = devices(), tmp_path / "mnt"
    pool = conn.storagePoolDefineXML(fs_xml("f", device, target))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE)
    with (target / "open").open("w"):
        code, domain, said = refusal(pool.destroy)
        assert (code, domain, "target is busy" in said) == (1, 18, True)
        assert (pool.isActive(), mounts(device)) == (1, [str(target)])
        pool.refresh()
        assert "open" in pool.listVolumes()
    pool.destroy()
    assert mounts(device) == []


def test_a_pool_is_what_the_mounts_say_when_its_root_is_opened(tmp_path: Path, devices: Devices) -> None:
    """Unmounted behind its back it is not active; mounted, by a start that was not recorded, say, it is."""
    device, target = devices(), tmp_path / "mnt"
    where = uri(tmp_path / "root", "storage")
    with libvirt.open(where) as conn:
        conn.storagePoolDefineXML(fs_xml("f", device, target)).create(
            libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE
        )
    with libvirt.open(where) as conn:
        pool = conn.storagePoolLookupByName("f")
        assert (pool.isActive(), pool.listVolumes()) == (1, ["lost+found"])
        program("umount", str(target))
        code, _, said = refusal(pool.refresh)
        assert (code, f"'{device}' is no longer mounted on '{target}'" in said) == (9, True)
    with libvirt.open(where) as conn:
        assert conn.storagePoolLookupByName("f").isActive() == 0
    program("mount", device, str(target))
    with libvirt.open(where) as conn:
        pool = conn.storagePoolLookupByName("f")
        assert (pool.isActive(), pool.info()[0], pool.listVolumes()) == (1, 2, ["lost+found"])
        pool.destroy()
        assert mounts(device) == []


def test_a_mount_that_cannot_be_recorded_is_found_again(tmp_path: Path, devices: Devices) -> None:
    """A full disk between the two: the call fails, and the next opening shows the pool as it is."""
    device, target = devices(), tmp_path / "mnt"
    where = uri(tmp_path / "root", "storage")
    with libvirt.open(where) as conn:
        pool = conn.storagePoolDefineXML(fs_xml("f", device, target))
        pool.build(OVERWRITE)
        full, record = faults.error(errno.ENOSPC), {"path": "*/run/storage/f.json"}
        with faults.inject("file.written", full, where=record):
            assert refusal(pool.create)[0] == libvirt.VIR_ERR_SYSTEM_ERROR
    with libvirt.open(where) as conn:
        pool = conn.storagePoolLookupByName("f")
        assert bool(pool.isActive()) == bool(mounts(device))


def test_two_pools_do_not_share_a_device(conn: libvirt.virConnect, tmp_path: Path, devices: Devices) -> None:
    """Of any kind; one directory may be the target of two, and only one of these can be mounted there."""
    device, target = devices(), tmp_path / "mnt"
    pool = conn.storagePoolDefineXML(fs_xml("f", device, target))
    said = "operation failed: Storage source conflict with pool: 'f'"
    others = [
        fs_xml("g", device, tmp_path / "other"),
        f"<pool type='logical'><name>g</name><source><device path='{device}'/></source></pool>",
        f"<pool type='disk'><name>g</name><source><device path='{device}'/></source>"
        "<target><path>/dev</path></target></pool>",
    ]
    assert [refusal(conn.storagePoolDefineXML, xml) for xml in others] == [(9, 18, said)] * 3
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE)
    second = conn.storagePoolDefineXML(fs_xml("g", devices(), target))
    second.build(OVERWRITE)
    code, _, said = refusal(second.create)
    assert (code, f"'{device}' is mounted there" in said) == (9, True)


def test_a_device_is_known_by_each_of_its_names(
    conn: libvirt.virConnect, tmp_path: Path, devices: Devices
) -> None:
    """A pool that names it by a link finds that it is mounted, and does not mount it a second time."""
    device, target = devices(), tmp_path / "mnt x"
    link = tmp_path / "link"
    link.symlink_to(device)
    pool = conn.storagePoolDefineXML(fs_xml("f", str(link), target))
    pool.build(OVERWRITE)
    program("mount", device, str(target))
    pool.create()
    pool.destroy()
    assert mounts(device) == []


def test_a_crash_of_the_driver_leaves_the_pool_as_it_is(
    conn: libvirt.virConnect, tmp_path: Path, devices: Devices
) -> None:
    """Mounted and active, and no second mount is made."""
    device, target = devices(), tmp_path / "mnt"
    pool = conn.storagePoolDefineXML(fs_xml("f", device, target))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE)
    pool.createXML(volume_xml("a", 1 << 20))
    crash(conn.root, "drivers/storage")
    pool.refresh()
    assert (pool.isActive(), sorted(pool.listVolumes())) == (1, ["a", "lost+found"])
    assert mounts(device) == [str(target)]
    pool.destroy()
    assert mounts(device) == []


def test_a_volume_of_a_pool_that_was_unmounted_is_not_touched(
    conn: libvirt.virConnect, tmp_path: Path, devices: Devices
) -> None:
    """By somebody else: nothing is made below the mount point, and nothing is said to be gone that is not."""
    device, target = devices(), tmp_path / "mnt"
    pool = conn.storagePoolDefineXML(fs_xml("f", device, target))
    pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE)
    volume = pool.createXML(volume_xml("a", 1 << 20))
    program("umount", str(target))
    for change in (volume.delete, lambda: pool.createXML(volume_xml("b", 1 << 20))):
        assert "no longer mounted" in refusal(change)[2]
    assert list(target.iterdir()) == []
    pool.destroy()
    pool.create()
    assert sorted(pool.listVolumes()) == ["a", "lost+found"]
    pool.destroy()


def test_a_relative_device_is_refused(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """It would be one file to us, and another to mkfs."""
    code, _, said = refusal(conn.storagePoolDefineXML, fs_xml("f", "../x", tmp_path / "mnt"))
    assert (code, "'../x' is relative" in said) == (libvirt.VIR_ERR_XML_ERROR, True)


def free(pool: libvirt.virStoragePool) -> bool:
    """Whether nothing is under way with it."""
    try:
        pool.refresh() if pool.isActive() else pool.build()
    except libvirt.libvirtError:
        return False
    return True


@pytest.mark.parametrize("what", ["destroy", "create"])
@pytest.mark.parametrize("point", ["process.spawning", "file.removed"])
def test_a_pool_is_what_the_mounts_say_when_its_driver_died_meanwhile(
    tmp_path: Path, devices: Devices, what: str, point: str
) -> None:
    """A stop or a start that waited for its disk, before its program or after: the successor looks again."""
    device, target = devices(), tmp_path / "mnt"
    where = {"path": f"{tmp_path}/root/run/storage/*.status"} if point == "file.removed" else {}
    with libvirt.open(uri(tmp_path / "root", "storage")) as conn:
        pool = conn.storagePoolDefineXML(fs_xml("f", device, target))
        pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE)
        if what == "create":
            pool.destroy()
        with faults.inject(point, faults.hang(), times=1, where=where) as hung:
            changed = began(getattr(pool, what))
            hung.wait()
            give_up(conn.root, "drivers/storage")
            assert isinstance(changed.exception(SECONDS), libvirt.libvirtError)
            conn.listStoragePools()  # by the successor
            hung.release()
        wait_until(lambda: free(pool))
        assert pool.isActive() == len(mounts(device))
        if not pool.isActive():
            pool.create()
        assert pool.listVolumes() == ["lost+found"]
        pool.destroy()
        assert mounts(device) == []
