"""Files that are no images, or lie about what is below them: an error in time, whatever they are."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.libvirt.connect import virConnect
from guest.calls import guests
from guest.domain import opened, wait_until
from hostile import seeds

SECONDS = 60.0
"""More than any of them takes."""


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[virConnect]:
    """A root; whatever runs in the end is killed."""
    with opened(tmp_path / "root") as made:
        yield made


def refused(conn: virConnect, text: str) -> libvirt.libvirtError:
    """The error of its start, which comes soon and leaves nothing."""
    domain, begun = conn.defineXML(text), time.monotonic()
    with pytest.raises(libvirt.libvirtError) as caught:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    assert time.monotonic() - begun < SECONDS
    wait_until(lambda: guests(conn) == [])
    domain.undefine()
    return caught.value


def disk(path: Path, format_: str = "qcow2") -> str:
    """A domain with one."""
    xml = f"<disk><driver type='{format_}'/><source file='{path}'/><target dev='vda'/></disk>"
    return seeds.domain(xml)


def overlay(path: Path, backing: str, format_: str | None = None) -> None:
    """A qcow2 of nothing that says what is below it."""
    name = backing.encode()
    known = b"" if format_ is None else struct.pack(">II8s", 0xE2792ACA, len(format_), format_.encode())
    start = 104 + len(known) + 8
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", 3, start, len(name), 16, 1 << 20, 0, 1, 3 << 16, 1 << 16, 1, 0, 0
    )
    path.write_bytes(head + struct.pack(">QQQII", 0, 0, 0, 4, 104) + known + bytes(8) + name)


@pytest.mark.parametrize("format_", ["qcow2", "raw"])
@pytest.mark.parametrize("kind", ["directory", "fifo", "socket"])
def test_what_is_no_file_is_refused_and_not_waited_for(
    kind: str, format_: str, conn: virConnect, tmp_path: Path
) -> None:
    """A FIFO that nobody writes would hold whoever opens it for ever."""
    path = tmp_path / "image"
    with socket.socket(socket.AF_UNIX) as listening:
        match kind:
            case "directory":
                path.mkdir()
            case "fifo":
                os.mkfifo(path)
            case _:
                listening.bind(str(path))
        assert refused(conn, disk(path, format_)).get_error_message()


BELOW = (
    *(
        "json:{}",
        "json:[",
        "json:" + "[" * 1000,
        'json:{"driver":"raw","file":{"driver":"file","filename":"/x"}}',
    ),
    *(
        'json:{"file":{"filename":7}}',
        "nbd://127.0.0.1:9/x",
        "nbd:unix:/x",
        "nbd+unix:///x?socket=",
        "nbd://[::1",
    ),
    *("nbd://127.0.0.1:99999/x", "file:///nowhere", "rbd:p/i", "fat:rw:/", "https://127.0.0.1:9/x", "", "."),
    *("/", "..", "image", "a\nb", "\udcff".encode(errors="surrogateescape").decode("latin-1"), "x" * 1023),
)


@pytest.mark.parametrize("format_", [None, "qcow2", "raw", "nosuch"])
@pytest.mark.parametrize("backing", BELOW)
def test_any_name_of_an_image_below_is_a_start_or_an_error(
    backing: str, format_: str | None, conn: virConnect, tmp_path: Path
) -> None:
    """What an image says comes from whoever made it."""
    overlay(tmp_path / "image", backing, format_)
    domain, begun = conn.defineXML(disk(tmp_path / "image")), time.monotonic()
    try:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        domain.destroy()
    except libvirt.libvirtError as error:
        assert error.get_error_message()
    assert time.monotonic() - begun < SECONDS
    wait_until(lambda: guests(conn) == [])


def test_ring_of_images_ends(conn: virConnect, tmp_path: Path) -> None:
    """Two that lie upon each other are told apart from a long chain."""
    overlay(tmp_path / "a", "b", "qcow2")
    overlay(tmp_path / "b", "a", "qcow2")
    assert "self-referential" in str(refused(conn, disk(tmp_path / "a")))


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "endless"])
def test_template_of_variables_that_is_no_file_is_refused(
    kind: str, conn: virConnect, tmp_path: Path
) -> None:
    """UEFI's variables are copied from a file, and from nothing else."""
    template = tmp_path / "template"
    match kind:
        case "directory":
            template.mkdir()
        case "fifo":
            os.mkfifo(template)
        case "endless":
            template = Path("/dev/zero")
    (tmp_path / "code").touch()
    os_ = (
        f"<loader type='pflash' readonly='yes'>{tmp_path}/code</loader>"
        f"<nvram template='{template}'>{tmp_path}/vars</nvram>"
    )
    assert refused(conn, seeds.domain(more="<features><acpi/></features>", os=os_)).get_error_message()
    assert not (tmp_path / "vars").exists()


def test_secret_that_does_not_exist_is_an_error(conn: virConnect, tmp_path: Path) -> None:
    """It is asked for when the guest starts, and nothing is left when there is none."""
    (tmp_path / "image").write_bytes(bytes(1 << 20))
    encryption = "<encryption format='luks'><secret type='passphrase' usage='nobody'/></encryption>"
    text = disk(tmp_path / "image", "raw").replace("</disk>", f"{encryption}</disk>")
    assert refused(conn, text).get_error_code() == libvirt.VIR_ERR_NO_SECRET


@pytest.mark.parametrize(
    "name", ["a,b", "a'b", 'a"b', "a b", "a=b,c", "-S", "\u20ac", "a\\b", "%s", "..a", "{}"]
)
def test_odd_names_reach_qemu_as_they_are(name: str, conn: virConnect, tmp_path: Path) -> None:
    """A name is part of arguments and paths; it changes neither."""
    escaped = name.replace("'", "&apos;").replace('"', "&quot;")
    text = seeds.domain().replace("<name>seed<", f"<name>{escaped}<")
    domain = conn.defineXML(text)
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    assert [each.name() for each in conn.listAllDomains()] == [name]
    domain.destroy()
    domain.undefine()
    assert sorted(path.name for path in (tmp_path / "root/etc/qemu").glob("*.xml")) == []


@pytest.mark.parametrize("name", ["a/b", "..", ".", "", "a&#10;b", "a" * 256, "/"])
def test_names_that_are_no_files_are_refused(name: str, conn: virConnect) -> None:
    """They would be paths to somewhere else, or none."""
    with pytest.raises(libvirt.libvirtError):
        conn.defineXML(seeds.domain().replace("<name>seed<", f"<name>{name}<"))
