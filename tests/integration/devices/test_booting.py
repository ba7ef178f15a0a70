"""What a guest starts from: every version of the machines, and a system on a disk of every bus."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import Console, small
from guest.image import DISK, READY, ensure

BOOT = 250.0
"""Seconds for a boot on a busy machine."""

SECTOR, CD_SECTOR = 512, 2048
HELLO = b"EMBERVIRT-GUEST FIRST SECTOR"
CODE = bytes.fromhex("31c0 8ed8 be007c 81c61900 baf803 ac 84c0 7403 ee ebf8 f4 ebfd")
"""A boot sector's: it sends what stands at 0x7c19 to the first serial port and halts."""

BUSES = {
    "virtio": ("q35", "<disk>{}<target dev='vda' bus='virtio'/></disk>"),
    "sata": ("q35", "<disk>{}<target dev='sda' bus='sata'/></disk>"),
    "ide": ("pc", "<disk>{}<target dev='hda' bus='ide'/></disk>"),
    "scsi": (
        "q35",
        "<controller type='scsi' model='virtio-scsi'/><disk>{}<target dev='sda' bus='scsi'/></disk>",
    ),
    "scsi-lsilogic": (
        "pc",
        "<controller type='scsi' model='lsilogic'/><disk>{}<target dev='sda' bus='scsi'/></disk>",
    ),
    "usb": (
        "q35",
        "<controller type='usb' model='qemu-xhci'/><disk>{}<target dev='sda' bus='usb'/></disk>",
    ),
}


def machines() -> list[str]:
    """Every version that QEMU has of the two machines."""
    told = subprocess.run(
        ["qemu-system-x86_64", "-machine", "help"], capture_output=True, text=True, check=True
    )
    names = [line.split()[0] for line in told.stdout.splitlines() if line.strip()]
    return [name for name in names if name.startswith(("pc-i440fx-", "pc-q35-"))]


@pytest.mark.parametrize("kind", ["i440fx", "q35"])
def test_every_version_of_a_machine_starts(conn: libvirt.virConnect, kind: str) -> None:
    """QEMU has it, with the devices that libvirt adds by itself, and answers."""
    wanted = [name for name in machines() if name.startswith(f"pc-{kind}-")]
    assert len(wanted) > 10
    for name in wanted:
        domain = conn.createXML(small(name, memory=16).replace("'q35'", f"'{name}'"), 1)
        assert "prelaunch" in qemuMonitorCommand(domain, '{"execute": "query-status"}', 0)
        domain.destroy()


def booted(conn: libvirt.virConnect, machine: str, devices: str, words: str, root: Path) -> str:
    """What it said on its console until it said ``words``."""
    xml = small("boots", memory=128, devices=f"<console type='pty'/>{devices}")
    domain = conn.createXML(xml.replace("'q35'", f"'{machine}'"), 0)
    said = Console(root, "boots").until(words, seconds=BOOT)
    domain.destroy()
    return said


@pytest.mark.parametrize("bus", BUSES)
def test_linux_starts_from_a_disk(conn: libvirt.virConnect, tmp_path: Path, bus: str) -> None:
    """The firmware reads boot loader, kernel and initrd from it."""
    ensure()
    disk = Path(shutil.copy(DISK, tmp_path / "disk"))
    machine, devices = BUSES[bus]
    source = f"<source file='{disk}'/>"
    assert READY in booted(conn, machine, devices.format(source), READY, tmp_path / "root")


def boot_sector() -> bytes:
    """The first sector of a medium."""
    return (CODE + HELLO + b"\0").ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def compact_disc() -> bytes:
    """A CD with nothing on it but how to boot (El Torito, without emulation)."""
    first = b"\x01CD001\x01".ljust(CD_SECTOR, b"\0")
    record = (b"\x00CD001\x01" + b"EL TORITO SPECIFICATION".ljust(64, b"\0")).ljust(0x47, b"\0")
    last = b"\xffCD001\x01".ljust(CD_SECTOR, b"\0")
    entry = bytearray(b"\x01".ljust(28, b"\0") + b"\0\0\x55\xaa")
    checksum = -sum(struct.unpack("<16H", entry)) & 0xFFFF
    entry[28:30] = struct.pack("<H", checksum)
    initial = struct.pack("<BBHBBHL", 0x88, 0, 0, 0, 0, 4, 20).ljust(32, b"\0")
    sectors = [
        first,
        (record + struct.pack("<L", 19)).ljust(CD_SECTOR, b"\0"),
        last,
        (bytes(entry) + initial).ljust(CD_SECTOR, b"\0"),
        boot_sector().ljust(CD_SECTOR, b"\0"),
    ]
    return bytes(16 * CD_SECTOR) + b"".join(sectors) + bytes(64 * CD_SECTOR)


MEDIA = {
    "floppy": ("pc", "<disk device='floppy'>{}<target dev='fda' bus='fdc'/><boot order='1'/></disk>"),
    "floppy-q35": ("q35", "<disk device='floppy'>{}<target dev='fda' bus='fdc'/><boot order='1'/></disk>"),
    "cdrom-ide": ("pc", "<disk device='cdrom'>{}<target dev='hda' bus='ide'/><boot order='1'/></disk>"),
    "cdrom-sata": ("q35", "<disk device='cdrom'>{}<target dev='sda' bus='sata'/><boot order='1'/></disk>"),
}


@pytest.mark.parametrize("drive", MEDIA)
def test_the_firmware_starts_from_a_medium(conn: libvirt.virConnect, tmp_path: Path, drive: str) -> None:
    """A first sector on a floppy disk or a CD runs."""
    floppy = drive.startswith("floppy")
    medium = tmp_path / "medium"
    medium.write_bytes(boot_sector().ljust(1440 * 1024, b"\0") if floppy else compact_disc())
    machine, devices = MEDIA[drive]
    source = f"<source file='{medium}'/>"
    assert HELLO.decode() in booted(conn, machine, devices.format(source), HELLO.decode(), tmp_path / "root")
