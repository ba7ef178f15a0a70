"""Disks of all kinds that a running Linux guest gets, reads and gives back, on q35 and on the older PC."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import DeviceRemoved
from embervirt.libvirt.qemu import qemuMonitorCommand
from guest.domain import Console, Events, linux, uri, wait_until
from guest.image import FULL_INITRD, FULL_KERNEL, INITRD, KERNEL, READY, ensure, ensure_full
from guest.shell import says

LIVE, SIZE = 1, 1 << 20
UUID = "11111111-2222-4333-8444-555555555555"
SECRET = f"<secret ephemeral='no' private='no'><uuid>{UUID}</uuid></secret>"
PASSWORD = "open sesame"
PORTS = "<controller type='pci' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 10
DRIVE = "<disk device='cdrom'>{}<target dev='sda' bus='sata'/></disk>"
DISK = "<disk><driver type='{}'/><source file='{}'>{}</source><target dev='{}' bus='{}'/></disk>"
LUKS = f"<encryption format='luks'><secret type='passphrase' uuid='{UUID}'/></encryption>"
CONTROLLER = "<controller type='scsi' index='0' model='virtio-scsi'/>"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same random data in raw, in LUKS, in qcow2 with LUKS, and below two images; and other media."""
    folder = tmp_path_factory.mktemp("disks")
    for name in ("data", "iso", "iso2"):
        (folder / name).write_bytes(os.urandom(SIZE))
    secret = ["--object", f"secret,id=s,data={PASSWORD}"]
    fast = "key-secret=s,iter-time=10,hash-alg=sha512"
    convert(*secret, "-f", "raw", "-O", "luks", "-o", fast, folder / "data", folder / "luks")
    encrypted = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10,encrypt.hash-alg=sha512"
    convert(*secret, "-f", "raw", "-O", "qcow2", "-o", encrypted, folder / "data", folder / "sealed")
    for name, below, format_ in (("middle", "data", "raw"), ("top", "middle", "qcow2")):
        image("create", "-f", "qcow2", "-b", below, "-F", format_, folder / name)
    return folder


def image(command: str, *arguments: object) -> None:
    """Run qemu-img."""
    subprocess.run(["qemu-img", command, "-q", *map(str, arguments)], check=True)


def convert(*arguments: object) -> None:
    """Copy an image."""
    subprocess.run(["qemu-img", "convert", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def root(files: Path) -> Path:
    """One for all of them."""
    return files / "root"


@pytest.fixture(scope="module")
def conn(root: Path) -> Iterator[libvirt.virConnect]:
    """With the secret of the encrypted images."""
    ensure()
    with libvirt.open(uri(root)) as made:
        made.secretDefineXML(SECRET).setValue(PASSWORD.encode())
        yield made


@pytest.fixture(scope="module")
def guest(conn: libvirt.virConnect, root: Path) -> Iterator[libvirt.virDomain]:
    """Linux on q35, with the drivers of SCSI and of the drive."""
    ensure_full()
    xml = linux("modern", devices=PORTS + DRIVE.format("")).replace(">128<", ">256<")
    for small, full in ((KERNEL, FULL_KERNEL), (INITRD, FULL_INITRD)):
        xml = xml.replace(str(small), str(full))
    domain = conn.createXML(xml, 0)
    Console(root, "modern").until(READY)
    says(domain, root, "modprobe -a virtio_scsi sd_mod ahci sr_mod")
    yield domain
    domain.destroy()


@pytest.fixture(scope="module")
def old(conn: libvirt.virConnect, root: Path) -> Iterator[libvirt.virDomain]:
    """Linux on the older PC: its firmware tells of devices."""
    domain = conn.createXML(linux("old").replace("machine='q35'", "machine='pc'"), 0)
    Console(root, "old").until(READY)
    yield domain
    domain.destroy()


def digest(domain: libvirt.virDomain, root: Path, device: str) -> str:
    """MD5 of what the guest reads there, once it has it."""
    wait = f'until [ -b /dev/{device} ] && [ "$(cat /sys/block/{device}/size)" != 0 ]; do sleep 0.1; done'
    # The first read of another medium says that it is another one.
    text = says(domain, root, f"{wait}; until md5sum /dev/{device} 2>/dev/null; do sleep 0.1; done")
    found = re.search(r"\b[0-9a-f]{32}\b", text)
    assert found is not None, text
    return found[0]


def md5(path: Path) -> str:
    """Of a file."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def traces(domain: libvirt.virDomain) -> list[set[str]]:
    """Everything in QEMU that a disk can leave behind."""

    def asked(command: str, key: str, **arguments: str) -> set[str]:
        text = json.dumps({"execute": command, "arguments": arguments})
        answer: list[dict[str, Any]] = json.loads(qemuMonitorCommand(domain, text, 0))["return"]
        return {each[key] for each in answer}

    return [
        asked("qom-list", "name", path="/machine/peripheral"),
        asked("qom-list", "name", path="/objects"),
        asked("query-named-block-nodes", "node-name"),
    ]


KINDS = {
    "LUKS": DISK.format("raw", "{}/luks", LUKS, "vdb", "virtio"),
    "LUKS in qcow2": DISK.format("qcow2", "{}/sealed", LUKS, "vdb", "virtio"),
    "a chain": DISK.format("qcow2", "{}/top", "", "vdb", "virtio"),
}


@pytest.mark.parametrize("machine", ["guest", "old"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_guest_reads_what_was_plugged(
    kind: str, machine: str, request: pytest.FixtureRequest, root: Path, files: Path
) -> None:
    """Through encryption and through images below, on both kinds of machine; then nothing of it stays."""
    domain: libvirt.virDomain = request.getfixturevalue(machine)
    before, xml = traces(domain), KINDS[kind].format(files)
    domain.attachDeviceFlags(xml, LIVE)
    assert digest(domain, root, "vda") == md5(files / "data")
    domain.detachDeviceFlags(xml, LIVE)
    wait_until(lambda: traces(domain) == before)  # a guest that is slow gives it back when it can
    assert "vda" not in says(domain, root, "ls /sys/block").split()


def test_a_disk_on_a_controller_that_was_plugged(guest: libvirt.virDomain, root: Path, files: Path) -> None:
    """First the controller, then its disk; back in the other order."""
    before = traces(guest)
    disk = DISK.format("raw", files / "data", "", "sdb", "scsi")
    guest.attachDeviceFlags(CONTROLLER, LIVE)
    guest.attachDeviceFlags(disk, LIVE)
    assert digest(guest, root, "sda") == md5(files / "data")
    guest.detachDeviceFlags(disk, LIVE)
    wait_until(lambda: "dev='sdb'" not in guest.XMLDesc())
    guest.detachDeviceFlags(CONTROLLER, LIVE)
    wait_until(lambda: traces(guest) == before)


def test_the_guest_reads_the_medium_that_is_in(guest: libvirt.virDomain, root: Path, files: Path) -> None:
    """Each in turn; a guest that uses one keeps it, and the drive is as it was."""
    for name in ("iso", "iso2"):
        guest.updateDeviceFlags(DRIVE.format(f"<source file='{files}/{name}'/>"), LIVE)
        assert digest(guest, root, "sr0") == md5(files / name)
    before, xml = traces(guest), guest.XMLDesc()
    says(guest, root, "sleep 1000 < /dev/sr0 & sleep 0.5")
    with pytest.raises(libvirt.libvirtError, match="locked"):
        guest.updateDeviceFlags(DRIVE.format(f"<source file='{files}/iso'/>"), LIVE)
    assert (traces(guest), guest.XMLDesc()) == (before, xml)


def test_a_disk_that_is_given_back_late(guest: libvirt.virDomain, files: Path) -> None:
    """A guest that is paused answers later: the call returns, the event tells, and then nothing stays."""
    before = traces(guest)
    disk = DISK.format("raw", files / "data", "", "vdb", "virtio")
    guest.attachDeviceFlags(disk, LIVE)
    events = Events(guest.connect().root.subscribe())
    try:
        guest.suspend()
        guest.detachDeviceFlags(disk, LIVE)
        assert "<alias name='virtio-disk1'/>" in guest.XMLDesc()
        guest.resume()
        events.wait(lambda event: isinstance(event, DeviceRemoved) and event.alias == "virtio-disk1")
        assert traces(guest) == before
        assert "<alias name='virtio-disk1'/>" not in guest.XMLDesc()
    finally:
        events.end()
