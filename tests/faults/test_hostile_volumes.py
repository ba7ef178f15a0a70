"""Whatever pool and volume XML say, and whoever else is at work in a pool's directory.

``HOSTILE_VOLUMES`` is the number of mutations of each kind, ``HOSTILE_SEED`` another seed than the usual one.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import embervirt as libvirt
from guest.domain import uri
from hostile.containment import contained
from hostile.mutations import mutated
from integration.storage.conftest import PROMPT, Storage, pool_xml, volume_xml
from integration.storage.test_streams import upload

EXAMPLES = int(os.environ.get("HOSTILE_VOLUMES", "250"))
SEED = os.environ.get("HOSTILE_SEED", "1")
MIB = 1 << 20
SECONDS = 60.0
"""For one example."""

POOLS = (
    "<pool type='dir'><name>p</name><target><path>/dir/p</path><permissions><mode>0755</mode><owner>0</owner>"
    "<group>0</group><label>x</label></permissions></target></pool>",
    "<pool type='dir'><name>q</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><capacity>1</capacity>"
    "<features><cow state='yes'/></features><source/><target><path>/dir/q</path></target>"
    "<refresh><volume allocation='capacity'/></refresh></pool>",
    "<pool type='fs'><name>f</name><source><device path='/dir/x'/><format type='ext4'/></source>"
    "<target><path>/dir/f</path></target></pool>",
    "<pool type='netfs'><name>n</name><source><host name='127.0.0.1' port='1'/><dir path='/dir/n'/>"
    "<format type='nfs'/><protocol ver='4'/></source><target><path>/dir/n</path></target></pool>",
    "<pool type='logical'><name>vg</name><source><device path='/dir/x'/><name>vg</name></source></pool>",
    "<pool type='disk'><name>d</name><source><device path='/dir/x'><freeExtent start='1' end='2'/></device>"
    "<format type='gpt'/></source><target><path>/dir</path></target></pool>",
)
VOLUMES = (
    volume_xml("v", MIB),
    volume_xml("v", MIB, allocation=None),
    "<volume type='file'><name>v</name><key>k</key><capacity unit='KiB'>64</capacity><allocation unit='B'>0"
    "</allocation><physical>1</physical><target><path>/etc/passwd</path><format type='qcow2'/><permissions>"
    "<mode>0644</mode><owner>0</owner><group>0</group></permissions><compat>1.1</compat><nocow/>"
    "<clusterSize unit='KiB'>64</clusterSize><features><lazy_refcounts/><extended_l2/></features></target>"
    "</volume>",
    "<volume><name>v</name><capacity unit='M'>2</capacity><allocation>0</allocation><target>"
    "<format type='qcow2'/><compat>0.10</compat></target><backingStore><path>/dir/base</path>"
    "<format type='raw'/></backingStore></volume>",
    "<volume><name>v</name><capacity>65536</capacity><target><format type='raw'/><encryption format='luks'>"
    "<secret type='passphrase' uuid='c7a5fdbd-edaf-9455-926a-d65c16db1809'/><cipher name='aes' size='256' "
    "mode='cbc' hash='sha256'/><ivgen name='plain64' hash='sha256'/></encryption></target></volume>",
    *(volume_xml("v", MIB, format=each) for each in ("vmdk", "vdi", "vpc", "qed", "qcow", "dir", "iso")),
)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    """A pool on a file system of 24 MiB, so that nothing large can be made; only root can mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "t", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system needs the right to mount one")
    (folder / "images").mkdir()
    try:
        with libvirt.open(uri(tmp_path / "root", "storage"), settings=PROMPT) as conn:
            pool = conn.storagePoolCreateXML(pool_xml("images", folder / "images"))
            yield Storage(conn, pool, folder / "images")
            pool.destroy()
    finally:
        subprocess.run(["umount", folder], check=True)


def mutations(seeds: tuple[str, ...], place: Path) -> Iterator[str]:
    """As many as are wanted."""
    for number in range(EXAMPLES):
        chance = random.Random(f"{SEED}/{number}")
        text = mutated(chance.choice(seeds), chance, most=3)
        yield text.replace("/dir", str(place)) if seeds is VOLUMES else contained(text, place)


@pytest.mark.timeout(120 + 5 * EXAMPLES)
def test_a_mutated_volume_is_refused_or_can_be_read(storage: Storage) -> None:
    """Every mutation is a libvirtError, or an image of its format in the pool and nothing else anywhere."""
    (storage.folder.parent / "base").write_bytes(bytes(MIB))
    around = sorted(storage.folder.parent.iterdir())
    became = {"refused": 0, "made": 0}
    for text in mutations(VOLUMES, storage.folder.parent):
        begun = time.monotonic()
        try:
            made = storage.pool.createXML(text)
        except libvirt.libvirtError as error:
            assert error.get_error_code() is not None and error.get_error_message(), text
            became["refused"] += 1
        else:
            assert storage.files() == [made.name()], text
            readable(storage, made, text)
            made.delete()
            became["made"] += 1
        assert (storage.files(), storage.pool.listVolumes()) == ([], []), text
        assert sorted(storage.folder.parent.iterdir()) == around, text
        assert time.monotonic() - begun < SECONDS, text
    assert min(became.values()) > EXAMPLES / 10, became


def readable(storage: Storage, made: libvirt.virStorageVol, text: str) -> None:
    """For qemu-img, in the format that the pool shows; it looks the same after a refresh."""
    xml = made.XMLDesc()
    storage.pool.refresh()
    assert storage.pool.storageVolLookupByName(made.name()).XMLDesc() == xml, text
    format_ = xml.partition("<format type='")[2].partition("'")[0]
    path = Path(made.path())
    assert path.parent == storage.folder, text
    if format_ != "dir":
        words = [
            "qemu-img",
            "info",
            "-f",
            {"iso": "raw"}.get(format_, format_),
            f"{path.parent}/./{path.name}",
        ]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (text, done.stderr)


@pytest.mark.timeout(120 + 5 * EXAMPLES)
def test_a_mutated_pool_is_refused_or_reads_back(storage: Storage, tmp_path: Path) -> None:
    """What is kept reads back as it was kept; a directory is built, used and removed, all below one place."""
    place, conn = tmp_path / "place", storage.conn
    place.mkdir()
    became = {"refused": 0, "defined": 0}
    for text in mutations(POOLS, place):
        begun = time.monotonic()
        try:
            pool = conn.storagePoolDefineXML(text)
        except libvirt.libvirtError as error:
            assert error.get_error_code() is not None and error.get_error_message(), text
            became["refused"] += 1
        else:
            xml = pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE)
            assert conn.storagePoolDefineXML(xml).XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE) == xml, text
            used(pool, xml)
            pool.undefine()
            became["defined"] += 1
        assert conn.listDefinedStoragePools() == [], text
        assert time.monotonic() - begun < SECONDS, text
    assert min(became.values()) > EXAMPLES / 10, became


def used(pool: libvirt.virStoragePool, xml: str) -> None:
    """Every step may be refused; none but of a directory is tried."""
    if "<pool type='dir'>" not in xml:
        return
    for step in (pool.build, pool.create, pool.refresh, pool.destroy, pool.delete):
        try:
            step()
        except libvirt.libvirtError:
            continue
    assert not pool.isActive()


@pytest.mark.parametrize(
    "name", ["a\nb", "a\tb", "\udcff", "a\x00b", "\ufffe", "x" * 256, "\u00e9" * 128, " ", "a&#10;b"]
)
def test_an_odd_name_is_refused_or_stays_in_the_pool(storage: Storage, name: str) -> None:
    """Control characters, what is not UTF-8, and what is too long for a file."""
    try:
        made = storage.pool.createXML(volume_xml(name, MIB))
    except libvirt.libvirtError:
        assert storage.files() == []
        return
    assert storage.files() == [made.name()] == storage.pool.listVolumes()
    made.delete()
    assert storage.files() == []


@contextmanager
def swapping(path: Path, outside: Path) -> Iterator[None]:
    """Somebody puts a link to ``outside`` in the place of a file, and the file back, as fast as can be."""
    real, link, over = path.with_name(".real"), path.with_name(".link"), threading.Event()
    os.link(path, real)

    def swap() -> None:
        for turn in itertools.count():
            new = path.with_name(f".new{turn % 2}")
            new.unlink(missing_ok=True)
            if turn % 2:
                os.link(real, new)
            else:
                new.symlink_to(outside)
            new.rename(path)
            if over.is_set():
                break

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for each in (real, link, path, path.with_name(".new0"), path.with_name(".new1")):
            each.unlink(missing_ok=True)


def image(path: Path, format_: str, fill: int) -> None:
    """Of 256 KiB, full of one byte."""
    subprocess.run(["qemu-img", "create", "-q", "-f", format_, path, "256K"], check=True)
    subprocess.run(
        ["qemu-io", "-f", format_, "-c", f"write -P {fill} 0 256k", path], check=True, capture_output=True
    )


@pytest.mark.parametrize("format_", ["raw", "qcow2"])
@pytest.mark.parametrize("what", ["wipe", "resize", "upload", "upload part", "clone", "convert", "delete"])
def test_no_link_leads_out_of_a_pool(storage: Storage, tmp_path: Path, what: str, format_: str) -> None:
    """A file that becomes a link between look and act: what it leads to is neither changed nor copied."""
    outside = tmp_path / "outside"
    image(outside, format_, 0xEE)
    path = storage.folder / "v"
    image(path, format_, 0x11)
    storage.pool.refresh()
    before, mode = outside.read_bytes(), outside.stat().st_mode
    volume = storage.pool.storageVolLookupByName("v")
    other = {"raw": "qcow2", "qcow2": "raw"}[format_]
    sizes = itertools.count(300_000, 65536)

    def copied(to: str) -> None:
        copy = storage.pool.createXMLFrom(volume_xml("copy", 0, format=to), volume)
        try:
            io = ["qemu-io", "-f", to, "-c", "read -P 0x11 0 256k", copy.path()]
            said = subprocess.run(io, capture_output=True, text=True, check=True).stdout
            assert "verification failed" not in said
        finally:
            copy.delete()

    changes: dict[str, Callable[[], object]] = {
        "wipe": volume.wipe,
        "resize": lambda: volume.resize(next(sizes)),
        "upload": lambda: upload(storage, volume, b"u" * 1000),
        "upload part": lambda: upload(storage, volume, b"u" * 1000, 100, 1000),
        "clone": lambda: copied(format_),
        "convert": lambda: copied(other),
        "delete": volume.delete,
    }
    done = 0
    with swapping(path, outside):
        for _ in range(1 if what == "delete" else 12):
            try:
                changes[what]()
                done += 1
            except libvirt.libvirtError:
                continue
    assert (outside.read_bytes(), outside.stat().st_mode) == (before, mode)
    assert [name for name in storage.files() if name != "v"] == []
