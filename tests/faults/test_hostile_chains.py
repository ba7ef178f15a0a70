"""Images whose headers, or whose folder, somebody made to lead a guest astray: made by qemu-img itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.drivers.images.chain import MOST
from embervirt.drivers.images.qcow import BACKING_FORMAT
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.calls import nothing_is_left
from guest.domain import opened, pid_of, small

PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 6
DISK = "<disk device='{}'><driver type='{}'/><source file='{}'/><target dev='{}' bus='{}'/></disk>"
EMPTY = "<disk device='cdrom'><target dev='sda' bus='sata'/></disk>"

Image = tuple[Path, str]
"""An image to be opened, and what the error must name: the file that is wrong."""


def qcow2(path: Path, below: str, format_: str = "qcow2", *options: str) -> Path:
    """An image of a MiB upon what nobody looked at."""
    words = ["-u", "-f", "qcow2", "-b", below, "-F", format_, *options]
    subprocess.run(["qemu-img", "create", "-q", *words, str(path), "1M"], check=True)
    return path


def plain(path: Path, *options: str, format_: str = "qcow2") -> Path:
    """An image of a MiB upon nothing."""
    subprocess.run(["qemu-img", "create", "-q", "-f", format_, *options, str(path), "1M"], check=True)
    return path


def nested(**said: object) -> str:
    """QEMU's pseudo-protocol for what no name says."""
    return f"json:{json.dumps(said)}"


def own_loop(place: Path) -> Image:
    top = qcow2(place / "own", "own")
    return top, str(top)


def long_loop(place: Path) -> Image:
    qcow2(place / "b", str(place / "c"))
    qcow2(place / "c", f"../{place.name}/a")
    return qcow2(place / "a", "b"), f"{place}/../{place.name}/a"


def loop_in_json(place: Path) -> Image:
    name = nested(driver="qcow2", file={"driver": "file", "filename": f"{place}/a"})
    return qcow2(place / "a", name), f"{place}/a"


def fifo(place: Path) -> Image:
    os.mkfifo(place / "fifo")
    return qcow2(place / "a", "fifo", "raw"), f"{place}/fifo"


def zeros(place: Path) -> Image:
    return qcow2(place / "a", "/dev/zero", "raw"), "/dev/zero"


def zeros_in_json(place: Path) -> Image:
    name = nested(driver="raw", file={"driver": "host_device", "filename": "/dev/zero"})
    return qcow2(place / "a", name, "raw"), "/dev/zero"


def folder(place: Path) -> Image:
    return qcow2(place / "a", ".", "raw"), str(place)


def pseudo_protocol(place: Path) -> Image:
    name = nested(driver="blkverify", test="/etc/hostname", raw={"driver": "null-co"})
    return qcow2(place / "a", name, "raw"), f"{place}/a"


def remote_shell(place: Path) -> Image:
    name = nested(driver="raw", file={"driver": "ssh", "path": "/x", "server": {"host": "h", "port": "22"}})
    return qcow2(place / "a", name, "raw"), f"{place}/a"


def data_below(place: Path) -> Image:
    file = {"driver": "file", "filename": str(plain(place / "b"))}
    name = nested(driver="qcow2", file=file, backing={"driver": "file", "filename": "/etc/hostname"})
    return qcow2(place / "a", name), f"{place}/a"


def folder_as_disk(place: Path) -> Image:
    return qcow2(place / "a", "fat:rw:/etc", "raw"), f"{place}/a"


def relative(place: Path) -> Image:
    """There is one of that name where the program is, and none beside the image."""
    name = os.path.relpath(plain(place / "base"), Path.cwd())
    (place / "deep/er/than/that").mkdir(parents=True)
    top = qcow2(place / "deep/er/than/that/a", name)
    return top, f"{top.parent}/{name}"


def guests_header(place: Path) -> Image:
    """A raw disk into which its guest wrote a header, below an image that does not say that it is raw."""
    sly = qcow2(place / "sly", "/etc/hostname", "raw")
    top = qcow2(place / "a", "sly", "raw")
    content = top.read_bytes()
    kind = BACKING_FORMAT.to_bytes(4, "big")
    assert kind in content
    top.write_bytes(content.replace(kind, b"\0\0\0\1", 1))  # an extension that nobody knows
    return top, str(sly)


def too_deep(place: Path) -> Image:
    """300 images, each a copy of one with another name in it."""
    first = qcow2(place / "000", "001").read_bytes()
    assert first.count(b"001") == 1
    for number in range(299):
        (place / f"{number:03}").write_bytes(first.replace(b"001", f"{number + 1:03}".encode()))
    plain(place / "299")
    return place / "000", f"{place}/{MOST:03}"


def data_elsewhere(place: Path) -> Image:
    top = plain(place / "a", "-o", f"data_file={place}/data,data_file_raw=on")
    (place / "data").unlink()
    (place / "data").symlink_to("/etc/hostname")
    return top, str(top)


def replaced(by: str, wanted: str = "base") -> Callable[[Path], Image]:
    """The image below becomes a symbolic link."""

    def made(place: Path) -> Image:
        top = qcow2(place / "a", str(plain(place / "base")))
        plain(place / "raw", format_="raw")
        os.mkfifo(place / "fifo")
        (place / "base").unlink()
        (place / "base").symlink_to(by)
        return top, f"{place}/{wanted}"

    return made


CASES: dict[str, Callable[[Path], Image]] = {
    "an image upon itself": own_loop,
    "three in a circle": long_loop,
    "a circle through json": loop_in_json,
    "a FIFO": fifo,
    "/dev/zero": zeros,
    "/dev/zero through json": zeros_in_json,
    "a directory": folder,
    "blkverify through json": pseudo_protocol,
    "ssh through json": remote_shell,
    "json that names a third": data_below,
    "a directory as a file system": folder_as_disk,
    "a name relative to the program": relative,
    "a header that a guest wrote": guests_header,
    "300 deep": too_deep,
    "data in another file": data_elsewhere,
    "replaced by a link to a FIFO": replaced("fifo"),
    "replaced by a link to a device": replaced("/dev/zero"),
    "replaced by a link to the top": replaced("a"),
    "replaced by a link to itself": replaced("base"),
    "replaced by a link to nothing": replaced("nothing"),
    "replaced by a link to another format": replaced("raw"),
}


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[libvirt.virConnect]:
    """An open root; its guests end with it."""
    with opened(tmp_path / "root") as made:
        yield made


def disk(path: Path, *, device: str = "disk", format_: str = "qcow2") -> str:
    """Of a guest, or a medium for its drive."""
    dev, bus = ("sda", "sata") if device == "cdrom" else ("vda", "virtio")
    return DISK.format(device, format_, path, dev, bus)


def assert_refused(call: Callable[..., object], xml: str, named: str) -> None:
    """It raises what a libvirt user expects of an image, and says which file it is about."""
    with pytest.raises(libvirt.libvirtError) as told:
        call(xml)
    assert named in str(told.value)
    code, domain = told.value.get_error_code(), told.value.get_error_domain()
    assert (code in (1, 38, 55, 67), domain) == (True, libvirt.VIR_FROM_STORAGE), told.value


def open_files(root: Path, name: str) -> set[str]:
    """Of a guest's QEMU."""
    return {str(each.readlink()) for each in Path(f"/proc/{pid_of(root, name)}/fd").iterdir()}


@pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())
def test_a_chain_that_leads_astray_ends_a_start(
    conn: libvirt.virConnect, tmp_path: Path, make: Callable[[Path], Image]
) -> None:
    """Before QEMU is there: the error names the file, and nothing of the guest is left but its log."""
    (tmp_path / "images").mkdir()
    top, named = make(tmp_path / "images")
    before = {path: path.lstat() for path in (tmp_path / "images").rglob("*")}
    assert_refused(conn.createXML, small("a", devices=disk(top)), named)
    assert nothing_is_left(conn, tmp_path / "root", before=set())
    assert not (tmp_path / "root/lib/embervirt/leases.json").exists()
    after = {path: path.lstat() for path in (tmp_path / "images").rglob("*")}
    assert [(path, stat.st_mtime_ns, stat.st_uid) for path, stat in after.items()] == [
        (path, stat.st_mtime_ns, stat.st_uid) for path, stat in before.items()
    ]


def test_chains_that_lead_astray_are_neither_plugged_nor_inserted(
    conn: libvirt.virConnect, tmp_path: Path
) -> None:
    """Of each the error names the file; the guest, its QEMU and its leases are as they were."""
    root = tmp_path / "root"
    guest = conn.createXML(small("a", devices=PORTS + EMPTY))

    def seen() -> tuple[str, str, set[str], bool]:
        nodes = qemuMonitorCommand(guest, json.dumps({"execute": "query-named-block-nodes"}), 0)
        leases = (root / "lib/embervirt/leases.json").exists()
        return guest.XMLDesc(), json.dumps(json.loads(nodes)["return"]), open_files(root, "a"), leases

    before = seen()
    for number, make in enumerate(CASES.values()):
        place = tmp_path / f"images{number}"
        place.mkdir()
        top, named = make(place)
        assert_refused(guest.attachDevice, disk(top), named)
        assert_refused(guest.updateDeviceFlags, disk(top, device="cdrom"), named)
        assert seen() == before, make
    good = plain(tmp_path / "good")
    guest.attachDevice(disk(good))
    guest.updateDeviceFlags(disk(plain(tmp_path / "medium"), device="cdrom"))
    assert {str(good), f"{tmp_path}/medium"} <= open_files(root, "a")


@pytest.mark.parametrize("make", CASES.values(), ids=CASES.keys())
def test_a_chain_that_leads_astray_is_not_copied(
    conn: libvirt.virConnect, tmp_path: Path, make: Callable[[Path], Image]
) -> None:
    """Of a pool: it can be looked at, qemu-img never gets the image, and nothing of a copy is left."""
    (tmp_path / "images").mkdir()
    top, named = make(tmp_path / "images")
    pool = conn.storagePoolCreateXML(
        f"<pool type='dir'><name>p</name><target><path>{top.parent}</path></target></pool>"
    )
    before = sorted(top.parent.iterdir())
    xml = "<volume><name>copy</name><capacity>1048576</capacity><target><format type='{}'/></target></volume>"
    volume = pool.storageVolLookupByName(top.name)
    for format_ in ("qcow2", "raw"):
        assert_refused(lambda text: pool.createXMLFrom(text, volume), xml.format(format_), named)
    assert sorted(top.parent.iterdir()) == before
    assert "copy" not in pool.listVolumes()


def test_what_is_said_to_be_raw_is_not_looked_into(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """A header that its guest wrote leads nowhere: started, plugged, inserted and below an image."""
    secret = plain(tmp_path / "secret", format_="raw")
    sly = [qcow2(tmp_path / f"sly{number}", str(secret), "raw") for number in range(3)]
    guest = conn.createXML(small("a", devices=PORTS + EMPTY + disk(qcow2(tmp_path / "top", "sly0", "raw"))))
    guest.attachDevice(disk(sly[1], format_="raw").replace("vda", "vdb"))
    guest.updateDeviceFlags(disk(sly[2], device="cdrom", format_="raw"))
    files = open_files(tmp_path / "root", "a")
    assert {*map(str, sly), f"{tmp_path}/top"} <= files
    assert str(secret) not in files
