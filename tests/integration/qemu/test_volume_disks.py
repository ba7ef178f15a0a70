"""Disks that are volumes: found when the guest starts or gets them, shown as their user described them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import crash, small, uri

PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 6
POOL = "<pool type='dir'><name>{}</name><target><path>{}</path></target></pool>"
VOLUME = "<volume><name>{}</name><capacity>1048576</capacity><target><format type='{}'/></target>{}</volume>"
LUKS = (
    "<volume><name>sealed</name><capacity>1048576</capacity><target><format type='raw'/>{}</target></volume>"
)


def disk(
    volume: str,
    *,
    pool: str = "images",
    dev: str = "vda",
    device: str = "disk",
    format: str = "",
    more: str = "",
) -> str:
    """A disk that is a volume."""
    bus = "sata" if device == "cdrom" else "virtio"
    driver = f"<driver type='{format}'/>" if format else ""
    source = f"<source pool='{pool}' volume='{volume}' {more}/>"
    return f"<disk type='volume' device='{device}'>{driver}{source}<target dev='{dev}' bus='{bus}'/></disk>"


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """An open root with a pool of two images, one upon the other, and a medium."""
    (tmp_path / "images").mkdir()
    with libvirt.open(uri(tmp_path / "root")) as made:
        pool = made.storagePoolDefineXML(POOL.format("images", tmp_path / "images"))
        pool.create()
        pool.createXML(VOLUME.format("plain", "raw", ""))
        pool.createXML(VOLUME.format("base", "qcow2", ""))
        below = f"<backingStore><path>{tmp_path}/images/base</path><format type='qcow2'/></backingStore>"
        pool.createXML(VOLUME.format("top", "qcow2", below))
        yield made
        for domain in made.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            domain.destroy()


def start(conn: libvirt.virConnect, *devices: str, name: str = "a") -> libvirt.virDomain:
    """A transient guest."""
    return conn.createXML(small(name, devices=PORTS + "".join(devices)))


def files(domain: libvirt.virDomain) -> dict[str, str]:
    """What QEMU has opened, with which driver above it."""
    asked = json.dumps({"execute": "query-named-block-nodes"})
    nodes: list[dict[str, Any]] = json.loads(qemuMonitorCommand(domain, asked, 0))["return"]
    return {Path(each["file"]).name: each["drv"] for each in nodes if each["node-name"].endswith("-format")}


def test_a_volume_is_found_at_the_start(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """By its pool's name and its own; raw unless the XML says more; the path is not shown, the format is."""
    guest = start(conn, disk("plain"), disk("top", dev="vdb", format="qcow2"))
    assert files(guest) == {"plain": "raw", "top": "qcow2", "base": "qcow2"}
    live = guest.XMLDesc()
    assert "<source pool='images' volume='plain' index='" in live
    assert "<driver name='qemu' type='raw'/>" in live
    assert f"{tmp_path}/images/plain" not in live
    assert f"<source file='{tmp_path}/images/base'/>" in live
    assert "type='raw'" not in guest.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert guest.blockInfo("vda")[0] == 1 << 20


REFUSED = [
    (disk("gone"), libvirt.VIR_ERR_NO_STORAGE_VOL, "no storage vol with matching name 'gone'"),
    (disk("plain", pool="no"), libvirt.VIR_ERR_NO_STORAGE_POOL, "no storage pool with matching name 'no'"),
    (
        disk("plain", more="mode='host'"),
        libvirt.VIR_ERR_XML_ERROR,
        "only valid when storage pool is of iscsi",
    ),
    (disk("folder"), libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "virtual FAT storage can't be accessed"),
    (disk("plain").replace("volume='plain'", ""), libvirt.VIR_ERR_XML_ERROR, "must be specified together"),
    (disk("plain", more="mode='x'"), libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "host"),
]


@pytest.mark.parametrize(("xml", "code", "words"), REFUSED)
def test_what_cannot_be_found_is_refused_as_libvirt_does(
    conn: libvirt.virConnect, tmp_path: Path, xml: str, code: int, words: str
) -> None:
    """At the start and when it is plugged; the guest goes on as it was."""
    (tmp_path / "images/folder").mkdir()
    conn.storagePoolLookupByName("images").refresh()
    guest = start(conn, name="b")
    before = guest.XMLDesc()
    for attempt in (lambda: start(conn, xml), lambda: guest.attachDevice(xml)):
        with pytest.raises(libvirt.libvirtError, match=words) as told:
            attempt()
        assert told.value.get_error_code() == code
    assert guest.XMLDesc() == before


def test_a_pool_must_be_active(conn: libvirt.virConnect) -> None:
    """libvirt's words; an optional medium is no medium then, an optional disk is not there."""
    conn.storagePoolLookupByName("images").destroy()
    with pytest.raises(libvirt.libvirtError, match="containing volume 'plain' is not active") as told:
        start(conn, disk("plain"))
    assert (told.value.get_error_code(), told.value.get_error_domain()) == (67, 20)
    optional = "startupPolicy='optional'"
    guest = start(conn, disk("plain", more=optional), disk("plain", dev="sda", device="cdrom", more=optional))
    assert "target dev='vda'" not in guest.XMLDesc()
    assert "<disk type='file' device='cdrom'>" in guest.XMLDesc()


def test_a_volume_comes_goes_and_is_a_medium(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Hot-plug and media change find it as well; it is leased like any image."""
    empty = "<disk device='cdrom'><target dev='sda' bus='sata'/></disk>"
    guest = start(conn, empty)
    guest.attachDevice(disk("plain", dev="vdb"))
    assert "<source pool='images' volume='plain' index='" in guest.XMLDesc()
    path = tmp_path / "images/plain"
    direct = f"<disk type='file'><source file='{path}'/><target dev='vda'/></disk>"
    with pytest.raises(libvirt.libvirtError, match="in use by domain 'a'"):
        start(conn, direct, name="b")
    guest.updateDeviceFlags(disk("base", dev="sda", device="cdrom", format="qcow2"))
    assert "<source pool='images' volume='base' index='" in guest.XMLDesc()
    assert files(guest) == {"plain": "raw", "base": "qcow2"}
    guest.updateDeviceFlags(empty)
    assert files(guest) == {"plain": "raw"}


@pytest.mark.usefixtures("patient")
def test_what_it_is_survives_the_end_of_the_root(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """Who finds the guest again knows its file, without the pool, and shows it as before."""
    domain = conn.defineXML(small("kept", devices=disk("plain")))
    domain.create()
    before = domain.XMLDesc()
    crash(conn.root, "guests/1-kept")
    conn.storagePoolLookupByName("images").destroy()
    assert domain.XMLDesc() == before
    assert domain.blockInfo("vda")[0] == 1 << 20
    assert "volume='plain'" in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert f"{tmp_path}/images/plain" not in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)


def test_a_file_beside_a_volume_is_not_heard(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """What a volume is comes from its pool, never from the XML."""
    sly = disk("plain").replace("volume=", "file='/etc/shadow' volume=")
    guest = start(conn, sly)
    assert files(guest) == {"plain": "raw"}
    guest.attachDevice(disk("base", dev="vdb", format="qcow2").replace("volume=", "dev='/dev/null' volume="))
    assert files(guest) == {"plain": "raw", "base": "qcow2"}
    assert "/etc/shadow" not in conn.defineXML(small("d", devices=sly)).XMLDesc()


def test_a_volume_that_a_guest_uses_is_left_alone(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """What would change it under the guest, or under an image of a guest, is refused by the guest's name."""
    pool = conn.storagePoolLookupByName("images")
    path = tmp_path / "images/plain"
    direct = f"<disk type='file'><source file='{path}'/><target dev='vda'/></disk>"
    guest = start(conn, direct, disk("top", dev="vdb", format="qcow2"))
    for name, dev in (("plain", "vda"), ("top", "vdb"), ("base", "vdb")):
        volume = pool.storageVolLookupByName(name)
        for attempt in (volume.delete, volume.wipe, lambda volume=volume: volume.resize(2 << 20)):
            with pytest.raises(libvirt.libvirtError, match=f"'{name}' is in use by domain 'a' .disk '{dev}'"):
                attempt()
    guest.destroy()
    pool.storageVolLookupByName("plain").delete()
    assert not path.exists()
