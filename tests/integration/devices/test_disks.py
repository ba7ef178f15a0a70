"""Disks in a running guest: on each bus it sees them, with their sizes and names, and reads them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import embervirt as libvirt
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import Console, linux, small
from guest.image import READY, ensure
from guest.shell import typed

SECTOR = 512
TUNE = "<iotune><total_bytes_sec>1000000</total_bytes_sec></iotune>"


def create(path: Path, size: str, *options: str, format_: str = "raw") -> Path:
    """An image of that size."""
    words = ["qemu-img", "create", "-q", "-f", format_, *options, str(path), size]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return path


def disk(path: Path, dev: str, bus: str, inner: str = "", **attributes: str) -> str:
    """A disk in that file, qcow2 by the file's name."""
    words = " ".join(f"{name}='{value}'" for name, value in attributes.items())
    driver = f"<driver type='{path.suffix.removeprefix('.')}'/>"
    return f"<disk {words}>{driver}<source file='{path}'/><target dev='{dev}' bus='{bus}'/>{inner}</disk>"


def ask(console: Console, domain: libvirt.virDomain, command: str) -> str:
    """What a command prints in the guest."""
    found = ElementTree.fromstring(domain.XMLDesc()).find("devices/console")
    assert found is not None
    start = len(console.text())
    descriptor = os.open(found.get("tty", ""), os.O_RDWR | os.O_NOCTTY)
    try:  # QEMU reads what is typed while somebody has the pty open
        os.write(descriptor, typed(command))
        text = console.until("END", after=start)[start:]
    finally:
        os.close(descriptor)
    return text.rpartition("BEGIN")[2].partition("END")[0]


def test_guest_reads_its_disks(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """A chain of images shows what the deepest has; serial numbers, sizes and read-only arrive."""
    ensure()
    base = tmp_path / "base.raw"
    base.write_bytes(b"from the deepest image".ljust(1024 * 1024, b"\0"))
    middle = create(tmp_path / "middle.qcow2", "1M", "-b", str(base), "-F", "raw", format_="qcow2")
    top = create(tmp_path / "top.qcow2", "2M", "-b", str(middle), "-F", "qcow2", format_="qcow2")
    plain = create(tmp_path / "plain.raw", "3M")
    devices = disk(top, "vda", "virtio", "<serial>first-1</serial>")
    devices += disk(plain, "vdb", "virtio", f"<readonly/>{TUNE}", model="virtio-non-transitional")
    domain = conn.defineXML(linux("disks", devices=devices))
    domain.create()
    console = Console(tmp_path / "root", "disks")
    console.until(READY)
    assert "from the deepest image" in ask(console, domain, "head -c 22 /dev/vda; echo")
    seen = ask(console, domain, "cd /sys/block; cat vda/size vda/serial; echo; cat vdb/size vdb/ro")
    assert seen.split() == [str(2 * 2**20 // SECTOR), "first-1", str(3 * 2**20 // SECTOR), "1"]
    ask(console, domain, "echo changed >/dev/vda; sync")
    domain.destroy()
    assert base.read_bytes().startswith(b"from the deepest image"), "only the top is written"


def test_live_xml_tells_the_chain_and_its_nodes(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """What was looked up at the start is shown with the numbers that the nodes have, and is no definition."""
    base = create(tmp_path / "base.raw", "1M")
    top = create(tmp_path / "top.qcow2", "1M", "-b", "base.raw", "-F", "raw", format_="qcow2")
    domain = conn.defineXML(small("chain", devices=disk(top, "vda", "virtio", TUNE)))
    domain.create()
    shown = ElementTree.fromstring(domain.XMLDesc()).find("devices/disk")
    assert shown is not None
    below = shown.find("backingStore")
    assert below is not None
    assert (below.get("index"), below.find("source").get("file")) == ("2", str(base))  # type: ignore[union-attr]
    assert below.find("backingStore") is not None, "and there the chain ends"
    told = json.loads(qemuMonitorCommand(domain, '{"execute": "query-named-block-nodes"}', 0))["return"]
    names = {node["node-name"] for node in told}
    assert {f"libvirt-{number}-{kind}" for number in (1, 2) for kind in ("storage", "format")} <= names
    blocks = json.loads(qemuMonitorCommand(domain, '{"execute": "query-block"}', 0))["return"]
    assert [block["inserted"]["bps"] for block in blocks if "inserted" in block] == [1000000]
    assert (
        "index"
        not in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE).partition("<disk")[2].split("</disk")[0]
    )
    domain.destroy()


def test_limits_reach_a_disk_on_every_bus(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """QEMU has a name of its own for what has the nodes on virtio and USB; everywhere the limit arrives."""
    places = [("vda", "virtio"), ("sda", "scsi"), ("sdb", "sata"), ("sdc", "usb")]
    files = [create(tmp_path / f"{bus}.raw", "1M") for _, bus in places]
    devices = "".join(disk(file, *place, TUNE) for file, place in zip(files, places, strict=True))
    devices += disk(create(tmp_path / "fd.raw", "1440K"), "fda", "fdc", TUNE, device="floppy")
    domain = conn.defineXML(small("limits", devices=devices))
    domain.create()
    blocks = json.loads(qemuMonitorCommand(domain, '{"execute": "query-block"}', 0))["return"]
    assert [block["inserted"]["bps"] for block in blocks if "inserted" in block] == [1000000] * 5
    domain.destroy()


def test_failed_start_leaves_nothing(conn: libvirt.virConnect, tmp_path: Path) -> None:
    """An image that is missing below another is named, and the guest can start when it is there."""
    base = tmp_path / "base.raw"
    top = create(tmp_path / "top.qcow2", "1M", "-u", "-b", str(base), "-F", "raw", format_="qcow2")
    domain = conn.defineXML(small("later", devices=disk(top, "vda", "virtio")))
    try:
        domain.create()
    except libvirt.libvirtError as error:
        assert (error.get_error_code(), error.get_int1()) == (38, 2)
        assert str(base) in str(error)
    else:
        raise AssertionError("it started without its image")
    assert not domain.isActive()
    create(base, "1M")
    domain.create()
    assert domain.isActive()
    domain.destroy()
