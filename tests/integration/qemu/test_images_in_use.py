"""Two guests never write one image: who wants one that another has is told who that is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.calls import nothing_is_left
from guest.domain import small, uri

BUSY = libvirt.VIR_ERR_RESOURCE_BUSY
DISK = "<disk type='file' device='{}'><driver type='{}'/><source file='{}'/><target dev='{}'/>{}</disk>"
PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 6


def disk(path: Path, *, dev: str = "vda", format: str = "raw", device: str = "disk", more: str = "") -> str:
    """A disk in a file."""
    return DISK.format(device, format, path, dev, more)


def image(path: Path, *arguments: str) -> Path:
    """A file that qemu-img made."""
    subprocess.run(["qemu-img", "create", "-q", *arguments, str(path), "1M"], check=True)
    return path


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """An open root; its guests end with it."""
    with libvirt.open(uri(tmp_path / "root")) as made:
        yield made
        for domain in made.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            domain.destroy()


def start(conn: libvirt.virConnect, name: str, *devices: str) -> libvirt.virDomain:
    """A transient guest."""
    return conn.createXML(small(name, devices=PORTS + "".join(devices)))


def refused(conn: libvirt.virConnect, name: str, *devices: str) -> str:
    """What is said of a guest that cannot start because an image is another's."""
    with pytest.raises(libvirt.libvirtError) as told:
        start(conn, name, *devices)
    assert told.value.get_error_code() == BUSY, told.value
    return str(told.value)


def test_an_image_is_one_guests_by_whatever_name(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Path, hard link or symbolic link: the guest that has it is named, and it is free when that ends."""
    a = image(tmp_path / "a.img", "-f", "raw")
    os.link(a, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(a)
    first = start(conn, "first", disk(a))
    for name in ("a.img", "hard", "soft"):
        text = refused(conn, "second", disk(tmp_path / name))
        assert "in use by domain 'first'" in text
        assert str(tmp_path / name) in text
        assert "disk 'vda'" in text
    assert "domain 'first'" in refused(conn, "second", disk(a, more="<readonly/>"))
    first.destroy()
    start(conn, "second", disk(tmp_path / "soft")).destroy()
    assert not (tmp_path / "root/lib/embervirt/leases.json").exists()
    assert nothing_is_left(conn, tmp_path / "root", before={"first.log", "second.log"})


def test_who_only_reads_or_shares_goes_together(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Read-only disks, and disks that both share; one that shares and one that does not do not."""
    iso, both = image(tmp_path / "iso", "-f", "raw"), image(tmp_path / "both", "-f", "raw")
    drive = disk(iso, dev="sda", device="cdrom")
    one = start(conn, "one", drive, disk(both, more="<shareable/>"))
    start(conn, "two", drive, disk(both, more="<shareable/>")).destroy()
    assert "domain 'one'" in refused(conn, "three", disk(both))
    assert "domain 'one'" in refused(conn, "three", disk(iso))
    one.destroy()


def test_what_lies_below_is_shared_and_never_written(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Two overlays of one image are two guests'; nobody writes what is another's lowest image."""
    base = image(tmp_path / "base", "-f", "qcow2")
    tops = [image(tmp_path / name, "-f", "qcow2", "-b", str(base), "-F", "qcow2") for name in "xy"]
    guests = [start(conn, top.name, disk(top, format="qcow2")) for top in tops]
    assert "domain 'x'" in refused(conn, "z", disk(base, format="qcow2"))
    for guest in guests:
        guest.destroy()
    writer = start(conn, "z", disk(base, format="qcow2"))
    assert "domain 'z'" in refused(conn, "x", disk(tops[0], format="qcow2"))
    writer.destroy()


def test_a_guest_has_an_image_once(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Two disks of one guest are two as well."""
    a = image(tmp_path / "a", "-f", "raw")
    assert "its disk 'vda'" in refused(conn, "twice", disk(a), disk(a, dev="vdb"))
    start(conn, "once", disk(a)).destroy()


def test_plugged_disks_and_media_are_leased_too(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Refused while another has them, before QEMU is told; what is ejected or detached is free."""
    a, b, iso = (image(tmp_path / name, "-f", "raw") for name in ("a", "b", "iso"))
    empty = "<disk device='cdrom'><target dev='sda' bus='sata'/></disk>"
    holder = start(conn, "holder", disk(a), disk(iso, dev="vdb"))
    guest = start(conn, "guest", empty)
    before = guest.XMLDesc()
    for change, xml in (
        (guest.attachDevice, disk(a)),
        (
            guest.updateDeviceFlags,
            disk(iso, dev="sda", device="cdrom").replace("dev='sda'", "dev='sda' bus='sata'"),
        ),
    ):
        with pytest.raises(libvirt.libvirtError, match="in use by domain 'holder'") as told:
            change(xml)
        assert told.value.get_error_code() == BUSY
    assert guest.XMLDesc() == before
    guest.attachDevice(disk(b))
    assert "domain 'guest'" in refused(conn, "third", disk(b))
    holder.destroy()
    guest.updateDeviceFlags(disk(iso, dev="sda", device="cdrom").replace("dev='sda'", "dev='sda' bus='sata'"))
    assert "domain 'guest'" in refused(conn, "third", disk(iso))
    guest.updateDeviceFlags(empty)
    start(conn, "third", disk(iso), disk(a, dev="vdb")).destroy()


def test_two_roots_on_one_image_are_kept_apart_by_qemu(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Its lock is the one they share; the refusal names the image, at a start and for what is plugged."""
    a = image(tmp_path / "a", "-f", "raw")
    with libvirt.open(uri(tmp_path / "other")) as other:
        there = start(other, "there", disk(a))
        assert f"'{a}' is locked by another process" in refused(conn, "here", disk(a))
        here = start(conn, "here")
        with pytest.raises(libvirt.libvirtError, match=f"'{a}' is locked by another process"):
            here.attachDevice(disk(a))
        there.destroy()
        here.attachDevice(disk(a))
