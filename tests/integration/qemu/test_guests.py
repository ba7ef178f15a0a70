"""A real Linux guest with its disks, its network and its memory in files; its console in a log."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import embervirt as libvirt
from embervirt.drivers.qemu.messages import Lifecycle
from guest.domain import Console, kill, linux, pid_of, qemus, small, uri, watching
from guest.image import READY, ensure

PASSPHRASE = b"correct horse, battery staple"
UUID = "6c3c8b1e-4d0c-4f0e-9d4a-0b7f6e1d2c3b"
SECRET = f"""<secret private='yes'><uuid>{UUID}</uuid>
<usage type='volume'><volume>/luks</volume></usage></secret>"""
FAST = "iter-time=10,hash-alg=sha512"
"""With a faster hash qemu-img 7.2 sometimes finds its own clock too coarse to measure it, and gives up."""


@pytest.fixture(autouse=True)
def ended(tmp_path: Path) -> Iterator[None]:
    """Whatever runs after a test is killed."""
    ensure()
    yield
    for pid in qemus(tmp_path):
        kill(pid)


def run(*words: object) -> None:
    """A program that must succeed."""
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def images(folder: Path) -> list[str]:
    """The same file system as raw, qcow2 and LUKS images: their ``<disk>`` elements."""
    raw, qcow2, luks, key = (folder / name for name in ("a.raw", "b.qcow2", "c.luks", "key"))
    with raw.open("wb") as file:
        file.truncate(8 << 20)
    run("/sbin/mkfs.ext4", "-q", raw)
    run("qemu-img", "convert", "-O", "qcow2", raw, qcow2)
    key.write_bytes(PASSPHRASE)
    secret = f"secret,id=key,file={key}"
    run("qemu-img", "create", "-f", "luks", "--object", secret, "-o", f"key-secret=key,{FAST}", luks, "8M")
    target = f"driver=luks,key-secret=key,file.filename={luks}"
    run("qemu-img", "convert", "-n", "--object", secret, "--target-image-opts", raw, target)
    key.unlink()
    encryption = f"<encryption format='luks'><secret type='passphrase' uuid='{UUID}'/></encryption>"
    found = [(raw, "raw", ""), (qcow2, "qcow2", ""), (luks, "raw", encryption)]
    return [
        f"""<disk type='file'><driver name='qemu' type='{kind}'/><source file='{path}'>{inside}</source>
        <target dev='vd{letter}' bus='virtio'/></disk>"""
        for (path, kind, inside), letter in zip(found, "abc", strict=True)
    ]


def test_linux_has_its_disks_and_its_network(tmp_path: Path) -> None:
    """It mounts a raw, a qcow2 and an encrypted disk, gets 10.0.2.15, is seen on its pty, and powers off."""
    devices = "".join(images(tmp_path)) + "<interface type='user'><model type='virtio'/></interface>"
    with libvirt.open(uri(tmp_path / "root")) as conn, watching(conn.root) as events:
        conn.secretDefineXML(SECRET).setValue(PASSPHRASE)
        domain = conn.createXML(linux("a", devices=devices))
        console = Console(tmp_path / "root", "a")
        console.until("EMBERVIRT-GUEST NET eth0 10.0.2.15")
        text = console.until(READY)
        for letter in "abc":
            assert f"EMBERVIRT-GUEST DISK vd{letter} ext4" in text
        assert re.search(r"<source path='/dev/pts/[0-9]+'/>", domain.XMLDesc())
        assert domain.info()[4] > 10**8
        words = Path(f"/proc/{pid_of(tmp_path / 'root', 'a')}/cmdline").read_bytes()
        assert PASSPHRASE not in words and b"sandbox" in words
        domain.shutdown()
        events.wait(lambda event: isinstance(event, Lifecycle) and event.event == 5)
        assert "EMBERVIRT-GUEST POWEROFF" in console.text()
        assert conn.listAllDomains() == []


def test_an_encrypted_disk_without_its_secret_is_an_error(tmp_path: Path) -> None:
    """No secret, or no value, is code 66; a wrong one is in QEMU's last words; nothing runs."""
    disk = images(tmp_path)[2]
    with libvirt.open(uri(tmp_path / "root")) as conn:
        domain = conn.defineXML(small("a", devices=disk))
        with pytest.raises(libvirt.libvirtError) as refused:
            domain.create()
        assert refused.value.get_error_code() == libvirt.VIR_ERR_NO_SECRET
        secret = conn.secretDefineXML(SECRET)
        with pytest.raises(libvirt.libvirtError) as refused:
            domain.create()
        assert refused.value.get_error_code() == libvirt.VIR_ERR_NO_SECRET
        secret.setValue(b"wrong")
        with pytest.raises(libvirt.libvirtError, match="Invalid password") as refused:
            domain.create()
        secret.setValue(PASSPHRASE)
        domain.create()
        domain.destroy()


BACKED = "<memoryBacking><source type='file'/><access mode='shared'/></memoryBacking>"


def backing(pid: int) -> list[str]:
    """The files that a process has mapped for writing and sharing."""
    found = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return sorted({line.split(maxsplit=5)[5] for line in found if " rw-s " in line and "/" in line})


def test_memory_is_in_a_file_of_the_root(tmp_path: Path) -> None:
    """Without ``memory_backing_dir`` the path has id and short name, at most 20 characters, and no hash."""
    root = tmp_path / "root"
    name = "\u00e9" * 30
    with libvirt.open(uri(root)) as conn:
        domain = conn.createXML(small(name, more=BACKED))
        folder = root / "lib/qemu/ram" / f"{domain.ID()}-{name[:20]}"
        assert backing(pid_of(root, name)) == [str(folder / "pc.ram")]
        domain.destroy()
        assert not folder.exists()


def test_roots_share_a_directory_for_memory_without_a_clash(tmp_path: Path) -> None:
    """Same name, same id, same directory: the root's hash tells them apart; each removes its own only."""
    shared, roots = tmp_path / "shared", [tmp_path / "one", tmp_path / "two"]
    shared.mkdir()
    settings = {"qemu.memory_backing_dir": str(shared)}
    connections = [libvirt.open(uri(root), settings=settings) for root in roots]
    domains = [conn.createXML(small("same", more=BACKED)) for conn in connections]
    assert [domain.ID() for domain in domains] == [1, 1]
    folders = [shared / f"libvirt/qemu/qemu-embed-{conn.root.paths.hash8}-1-same" for conn in connections]
    for root, folder in zip(roots, folders, strict=True):
        assert backing(pid_of(root, "same")) == [str(folder / "pc.ram")]
    domains[0].destroy()
    assert [folder.exists() for folder in folders] == [False, True]
    connections[0].close()
    connections[1].close()
    with libvirt.open(uri(roots[1])) as conn:
        conn.lookupByName("same").destroy()
    assert not folders[1].exists()
    assert shared.is_dir()
