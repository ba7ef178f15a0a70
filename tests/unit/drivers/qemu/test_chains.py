"""Chains of images looked up in their headers, as libvirt 9 does at the start of a guest."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from embervirt.drivers.qemu.model import Devices, Disk, Domain
from embervirt.drivers.qemu.model.os import Os, OsType
from embervirt.drivers.qemu.service import chains
from embervirt.drivers.xml import parse
from embervirt.errors import libvirtError
from guest.headers import qcow2


def disk(path: str, format_: str = "qcow2", inner: str = "") -> Disk:
    """A disk in that file."""
    driver = f"<driver type='{format_}'/>"
    return parse(Disk, f"<disk>{driver}<source file='{path}'/>{inner}<target dev='vda'/></disk>")


def told(found: Disk) -> list[tuple[str | None, str | None, str | None]]:
    """Type, format and path of each image below, the end of a chain as three times None."""
    return [
        (
            layer.type,
            layer.format.type if layer.format else None,
            layer.source.path(layer.type) if layer.source and layer.type else None,
        )
        for layer in found.backing
    ]


END = (None, None, None)


def test_chain_is_told_to_its_end(tmp_path: Path) -> None:
    """Names are relative to the image that says them; raw ends a chain."""
    (tmp_path / "sub").mkdir()
    base = tmp_path / "base.raw"
    base.write_bytes(b"raw")
    middle = qcow2(tmp_path / "sub/middle", "../base.raw", "raw")
    top = qcow2(tmp_path / "top", "sub/middle", "qcow2")
    found = told(chains.followed(disk(top)))
    assert found == [("file", "qcow2", middle), ("file", "raw", f"{tmp_path}/sub/../base.raw"), END]


def test_image_without_one_below_ends_the_chain(tmp_path: Path) -> None:
    """Of qcow2 the header says so, of formats like raw nobody has to."""
    assert told(chains.followed(disk(qcow2(tmp_path / "a")))) == [END]
    raw = tmp_path / "raw"
    raw.write_bytes(b"QFI\xfb but raw is believed, whatever is in it".ljust(200, b"."))
    assert told(chains.followed(disk(str(raw), "raw"))) == [END]
    assert told(chains.followed(disk(str(raw), "vpc"))) == [END]


def test_what_the_xml_says_counts(tmp_path: Path) -> None:
    """An explicit end stays, and an explicit image is looked into where the XML stops."""
    base = tmp_path / "base"
    base.write_bytes(b"raw")
    middle = qcow2(tmp_path / "middle", str(base), "raw")
    top = qcow2(tmp_path / "top", "elsewhere", "qcow2")
    ended = disk(top, inner="<backingStore/>")
    assert chains.followed(ended) == ended
    said = f"<backingStore type='file'><format type='qcow2'/><source file='{middle}'/></backingStore>"
    found = told(chains.followed(disk(top, inner=said)))
    assert found == [("file", "qcow2", middle), ("file", "raw", str(base)), END]


def test_other_names_of_an_image(tmp_path: Path) -> None:
    """JSON that means a file is one, an NBD export and what a web server has are a server's."""
    base = tmp_path / "base"
    base.write_bytes(b"raw")
    for text in (
        f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{base}"}}}}',
        f'json:{{"driver":"raw","file.driver":"file","file.filename":"{base}"}}',
        f"file:{base}",
    ):
        found = chains.followed(disk(qcow2(tmp_path / "top", text, "raw")))
        assert told(found) == [("file", "raw", str(base)), END], text
    (served, end) = chains.followed(disk(qcow2(tmp_path / "top", "nbd://h:1/x", "raw"))).backing
    assert served.source is not None
    assert (served.type, served.source.protocol, served.source.name) == ("network", "nbd", "x")
    assert [(host.name, host.port) for host in served.source.hosts] == [("h", 1)]
    assert end.type is None


def test_format_that_nobody_named(tmp_path: Path) -> None:
    """The image below is looked at; one that names a third is not believed: a guest may have written it."""
    base = tmp_path / "base"
    base.write_bytes(b"raw")
    assert told(chains.followed(disk(qcow2(tmp_path / "top", str(base))))) == [
        ("file", "raw", str(base)),
        END,
    ]
    lone = qcow2(tmp_path / "lone")
    assert told(chains.followed(disk(qcow2(tmp_path / "top", lone)))) == [("file", "qcow2", lone), END]
    sly = qcow2(tmp_path / "sly", "/etc/shadow", "raw")
    with pytest.raises(libvirtError, match="was not specified in the image metadata") as refused:
        chains.followed(disk(qcow2(tmp_path / "top", sly)))
    assert refused.value.get_error_code() == 55


def test_missing_and_endless_chains_are_errors(tmp_path: Path) -> None:
    """With libvirt's codes: the file that is not there, and an image that lies upon itself."""
    gone = str(tmp_path / "gone")
    with pytest.raises(libvirtError, match="Cannot access storage file") as refused:
        chains.followed(disk(gone))
    assert (refused.value.get_error_code(), refused.value.get_int1()) == (38, 2)
    with pytest.raises(libvirtError, match=f"Cannot access backing file '{gone}' of storage file"):
        chains.followed(disk(qcow2(tmp_path / "top", gone, "raw")))
    first, second = tmp_path / "first", tmp_path / "second"
    qcow2(first, str(second), "qcow2")
    qcow2(second, "./first", "qcow2")
    with pytest.raises(libvirtError, match="self-referential") as endless:
        chains.followed(disk(str(first)))
    assert endless.value.get_error_code() == 1


def test_optional_media_may_be_missing(tmp_path: Path) -> None:
    """A drive is empty then, a disk is not there; what is there is used."""
    there = tmp_path / "there"
    there.write_bytes(b"raw")

    def optional(path: Path, device: str, dev: str) -> Disk:
        source = f"<source file='{path}' startupPolicy='optional'/>"
        return parse(Disk, f"<disk device='{device}'>{source}<target dev='{dev}'/></disk>")

    gone = tmp_path / "gone"
    disks = (
        optional(gone, "disk", "vda"),
        optional(gone, "cdrom", "hda"),
        optional(there, "cdrom", "hdb"),
    )
    domain = Domain(type="qemu", os=Os(type=OsType(kind="hvm")), devices=Devices(disks=disks))
    found = chains.opened(domain).devices.disks
    assert [(each.dev, each.file) for each in found] == [("hda", None), ("hdb", str(there))]


def test_numbers_stay_with_the_disk(tmp_path: Path) -> None:
    """Looking into a chain that is told already changes nothing."""
    once = chains.followed(disk(qcow2(tmp_path / "a")))
    assert chains.followed(replace(once, readonly=True)) == replace(once, readonly=True)


def test_name_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    """QEMU is never left with a name out of a header; the error has both the name and who says it."""
    top = qcow2(tmp_path / "top", "fat:rw:/etc", "raw")
    with pytest.raises(libvirtError, match=f"cannot use backing image 'fat:rw:/etc' of image '{top}'"):
        chains.followed(disk(top))


def test_export_behind_a_socket_is_a_servers(tmp_path: Path) -> None:
    """Its transport and path as a domain's XML has them."""
    (served, _) = chains.followed(disk(qcow2(tmp_path / "top", "nbd:unix:/s:exportname=x", "raw"))).backing
    assert served.source is not None
    host = served.source.hosts[0]
    assert (served.source.name, host.transport, host.socket) == ("x", "unix", "/s")


def test_raw_is_never_looked_into(tmp_path: Path) -> None:
    """Its guest may have written a header that leads anywhere; at the top, and where header or XML say so."""
    sly = qcow2(tmp_path / "sly", "/etc/shadow", "raw")
    assert told(chains.followed(disk(sly, "raw"))) == [END]
    assert told(chains.followed(disk(qcow2(tmp_path / "top", sly, "raw")))) == [("file", "raw", sly), END]
    said = f"<backingStore type='file'><format type='raw'/><source file='{sly}'/></backingStore>"
    assert told(chains.followed(disk(qcow2(tmp_path / "top"), inner=said))) == [("file", "raw", sly), END]


def test_image_of_another_format_than_is_said_is_named(tmp_path: Path) -> None:
    """At the top, below, and where the header names a format that nobody serves."""
    raw = tmp_path / "raw"
    raw.write_bytes(b"raw".ljust(4096))
    for wrong in (disk(str(raw)), disk(qcow2(tmp_path / "top", str(raw), "qcow2"))):
        with pytest.raises(libvirtError, match=f"'{raw}' is no qcow2 image") as refused:
            chains.followed(wrong)
        assert refused.value.get_error_code() == 55
    with pytest.raises(libvirtError, match="format 'luks' of backing image"):
        chains.followed(disk(qcow2(tmp_path / "top", str(raw), "luks")))


def test_what_is_no_image_is_never_opened(tmp_path: Path) -> None:
    """A FIFO would be waited for; a character device is one only where the XML itself names it."""
    os.mkfifo(tmp_path / "fifo")
    for each in (disk(str(tmp_path / "fifo"), "raw"), disk(qcow2(tmp_path / "top", "fifo", "raw"))):
        with pytest.raises(libvirtError, match=f"{tmp_path}/fifo'.*it is a FIFO") as refused:
            chains.followed(each)
        assert refused.value.get_error_code() == 38
    assert told(chains.followed(disk("/dev/null", "raw"))) == [END]
    with pytest.raises(libvirtError, match="it is a character device"):
        chains.followed(disk(qcow2(tmp_path / "top", "/dev/null", "raw")))
