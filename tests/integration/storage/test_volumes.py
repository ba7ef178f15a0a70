"""Volumes on real files: made, looked up, resized, wiped, copied, removed; nothing half-made or outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embervirt as libvirt
from integration.storage.conftest import Storage, pool_xml, volume_xml
from integration.storage.test_pools import refusal

MIB = 1 << 20


def info(path: str) -> dict[str, Any]:
    """What qemu-img says of an image."""
    said = subprocess.run(["qemu-img", "info", "--output=json", path], check=True, capture_output=True)
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def test_a_raw_volume_is_as_large_as_wanted(storage: Storage) -> None:
    """Sparse, or with room on disk for all or a part of it; 0600."""
    sparse = storage.make("sparse", 8 * MIB, allocation=0)
    whole = storage.make("whole", 8 * MIB, allocation=None)
    part = storage.make("part", 8 * MIB, allocation=MIB)
    assert [each.info() for each in (sparse, whole, part)] == [
        [libvirt.VIR_STORAGE_VOL_FILE, 8 * MIB, size] for size in (0, 8 * MIB, MIB)
    ]
    assert sparse.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL) == [0, 8 * MIB, 8 * MIB]
    assert (storage.folder / "part").stat().st_mode & 0o7777 == 0o600
    assert storage.pool.listVolumes() == ["part", "sparse", "whole"] == storage.files()


def test_a_qcow2_volume_is_what_its_xml_says(storage: Storage) -> None:
    """Made by qemu-img, read back in process: version, cluster size, features, the image below."""
    storage.make("base", 4 * MIB)
    xml = f"""<volume><name>top</name><capacity>{8 * MIB}</capacity><target><format type='qcow2'/>
      <compat>1.1</compat><clusterSize>131072</clusterSize><features><lazy_refcounts/></features></target>
      <backingStore><path>{storage.folder}/base</path><format type='raw'/></backingStore></volume>"""
    made = storage.pool.createXML(xml)
    said = info(made.path())
    assert (said["format"], said["virtual-size"], said["cluster-size"]) == ("qcow2", 8 * MIB, 131072)
    assert (said["backing-filename"], said["backing-filename-format"]) == (f"{storage.folder}/base", "raw")
    shown = made.XMLDesc()
    assert "<clusterSize unit='B'>131072</clusterSize>" in shown and "<lazy_refcounts/>" in shown
    assert f"<path>{storage.folder}/base</path>" in shown
    assert made.info()[1] == 8 * MIB


LAYERED = """<volume><name>top</name>{size}<target><format type='{format}'/></target>
  <backingStore><path>{path}</path><format type='qcow2'/></backingStore></volume>"""


@pytest.mark.parametrize("format_", ["qcow2", "qcow", "qed"])
def test_an_image_without_a_capacity_has_that_of_the_one_below(storage: Storage, format_: str) -> None:
    """Which only qemu-img knows, so it is told none."""
    below = storage.make("base", 3 * MIB, format="qcow2").path()
    made = storage.pool.createXML(LAYERED.format(size="", format=format_, path=below))
    assert made.info()[1] == info(made.path())["virtual-size"] == 3 * MIB


def test_what_an_image_lies_upon_is_described(storage: Storage) -> None:
    """By its path, mode, owner and times, as it is now; by its name in the header when it is not there."""
    base = Path(storage.make("base", MIB, format="qcow2").path())
    size = f"<capacity>{MIB}</capacity>"
    made = storage.pool.createXML(LAYERED.format(size=size, format="qcow2", path="base"))
    assert info(made.path())["backing-filename"] == "base"
    for mode in (0o600, 0o640):
        base.chmod(mode)
        storage.pool.refresh()
        below = made.XMLDesc().partition("<backingStore>")[2]
        assert f"<path>{base}</path>" in below and f"<mode>0{mode:o}</mode>" in below
        assert f"<mtime>{base.stat().st_mtime_ns // 10**9}." in below
    base.unlink()
    storage.pool.refresh()
    below = made.XMLDesc().partition("<backingStore>")[2]
    assert "<path>base</path>" in below and "<mode>" not in below


@pytest.mark.parametrize("format_", ["qcow2", "vmdk", "qcow", "vdi", "qed"])
def test_a_copy_may_be_larger_in_any_format(storage: Storage, format_: str) -> None:
    """One that cannot be resized is made so large, whatever its source is rounded to."""
    source = storage.make("a", MIB)
    Path(source.path()).write_bytes(b"x" * MIB)
    made = storage.pool.createXMLFrom(volume_xml("b", 2 * MIB + 1, format=format_), source)
    assert made.info()[1] >= 2 * MIB + 1
    found = storage.pool.createXMLFrom(volume_xml("c", 1), made)
    assert Path(found.path()).read_bytes().rstrip(b"\0") == b"x" * MIB


def test_a_directory_is_made_for_its_owner_and_never_a_copy(storage: Storage) -> None:
    """0600 unless the XML says more, as libvirt has it; nothing can be copied to one."""
    target = "<target><format type='dir'/>{}</target>"
    for name, more, mode in (("d", "", 0o600), ("e", "<permissions><mode>0</mode></permissions>", 0)):
        text = f"<volume><name>{name}</name><capacity>0</capacity>{target.format(more)}</volume>"
        assert Path(storage.pool.createXML(text).path()).stat().st_mode & 0o777 == mode
    source = storage.make("a")
    text = f"<volume><name>f</name><capacity>0</capacity>{target.format('')}</volume>"
    assert refusal(storage.pool.createXMLFrom, text, source)[0] == libvirt.VIR_ERR_INTERNAL_ERROR


def test_a_raw_volume_that_is_not_copied_on_write_wants_a_file_system_that_can(storage: Storage) -> None:
    """Only btrfs knows how; elsewhere it is an error, as in libvirt, and nothing is left."""
    text = f"<volume><name>n</name><capacity>{MIB}</capacity><target><nocow/></target></volume>"
    found = subprocess.run(["stat", "-f", "-c", "%T", storage.folder], check=True, capture_output=True)
    if found.stdout == b"btrfs\n":
        storage.pool.createXML(text)
    else:
        assert refusal(storage.pool.createXML, text)[0] == libvirt.VIR_ERR_SYSTEM_ERROR
        assert storage.files() == []


def test_volumes_are_found_by_name_key_and_path(storage: Storage) -> None:
    """In any active pool; a volume knows its pool."""
    made, conn = storage.make("a"), storage.conn
    path = str(storage.folder / "a")
    assert (made.name(), made.key(), made.path()) == ("a", path, path)
    for found in (
        storage.pool.storageVolLookupByName("a"), conn.storageVolLookupByKey(path),
        conn.storageVolLookupByPath(path),
    ):  # fmt: skip
        assert found.storagePoolLookupByVolume().UUID() == storage.pool.UUID()
    assert refusal(conn.storageVolLookupByPath, "/nope")[0] == libvirt.VIR_ERR_NO_STORAGE_VOL
    assert [each.name() for each in storage.pool.listAllVolumes()] == ["a"]


@pytest.mark.parametrize("name", ["../x", "..", ".", "a/b", "/etc/x", "n" * 300])
def test_a_name_that_is_more_than_a_name_is_refused(storage: Storage, name: str) -> None:
    """Nothing is made in the pool or elsewhere."""
    with pytest.raises(libvirt.libvirtError):
        storage.make(name)
    assert storage.files() == []


@pytest.mark.parametrize("name", ["-rf", "a,b=c", "a b", "a'b&amp;", "ü", ":x", "nbd:x"])
@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_any_other_name_is_only_a_name(storage: Storage, name: str, format: str) -> None:
    """Never an option, a list of them, or a protocol: made, copied, resized, removed."""
    made = storage.make(name, format=format)
    made.resize(2 * MIB)
    copy = storage.pool.createXMLFrom(volume_xml(f"{name}2", MIB, format=format), made)
    assert [each.info()[1] for each in (made, copy)] == [2 * MIB, 2 * MIB]
    made.delete()
    assert storage.files() == [copy.name()]


def test_what_is_there_is_never_taken(storage: Storage) -> None:
    """Neither a volume nor a file that is none yet."""
    storage.make("a")
    said = "storage volume 'a' exists already"
    assert refusal(storage.make, "a") == (libvirt.VIR_ERR_STORAGE_VOL_EXIST, 18, said)
    (storage.folder / "b").write_text("mine")
    assert "already exists" in refusal(storage.make, "b")[2]
    assert (storage.folder / "b").read_text() == "mine"


def test_a_volume_grows_and_shrinks_as_flags_allow(storage: Storage) -> None:
    """Raw and qcow2; by a difference, with room on disk, never smaller without SHRINK."""
    raw, qcow2 = storage.make("raw", 4 * MIB), storage.make("qcow2", 4 * MIB, format="qcow2")
    for volume in (raw, qcow2):
        volume.resize(8 * MIB)
        volume.resize(8 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_DELTA)
        assert volume.info()[1] == 16 * MIB
        assert refusal(volume.resize, 2 * MIB)[0] == libvirt.VIR_ERR_INVALID_ARG
        volume.resize(2 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK)
        assert volume.info()[1] == 2 * MIB
    raw.resize(6 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_ALLOCATE)
    assert raw.info()[1:] == [6 * MIB, 6 * MIB]
    assert "only supported for raw" in refusal(qcow2.resize, 6 * MIB, 1)[2]


@pytest.mark.parametrize("algorithm", range(9))
def test_a_wiped_volume_holds_nothing_of_before(storage: Storage, algorithm: int) -> None:
    """Whether it had holes or not, and as large as before."""
    size = MIB // 4
    made = storage.make("a", size, allocation=None)
    path = storage.folder / "a"
    path.write_bytes((b"secret" * size)[:size])
    made.wipePattern(algorithm)
    content = path.read_bytes()
    assert (len(content), b"secret" in content) == (size, False)
    assert refusal(made.wipePattern, libvirt.VIR_STORAGE_VOL_WIPE_ALG_TRIM)[0] == 74


@pytest.mark.parametrize("source", ["raw", "qcow2"])
@pytest.mark.parametrize("target", ["raw", "qcow2"])
def test_a_copy_has_the_same_data(storage: Storage, source: str, target: str) -> None:
    """In whichever format, as large as the source at least."""
    original = storage.make("original", 4 * MIB, format=source)
    write = ["qemu-io", "-f", source, "-c", "write -P 7 1M 64k", original.path()]
    subprocess.run(write, check=True, capture_output=True)
    copy = storage.pool.createXMLFrom(volume_xml("copy", 6 * MIB, format=target), original)
    read = ["qemu-io", "-f", target, "-c", "read -P 7 1M 64k", "-c", "read -P 0 2M 4M", copy.path()]
    said = subprocess.run(read, check=True, capture_output=True, text=True).stdout
    assert "verification failed" not in said
    assert (copy.info()[1], info(copy.path())["format"]) == (6 * MIB, target)
    assert storage.files() == ["copy", "original"]


def test_a_copy_of_a_sparse_file_is_sparse(storage: Storage) -> None:
    """Only its data takes room."""
    original = storage.make("a", 64 * MIB)
    with (storage.folder / "a").open("r+b") as file:
        file.seek(32 * MIB)
        file.write(b"x" * MIB)
    copy = storage.pool.createXMLFrom(volume_xml("b", 0), original)
    assert copy.info()[1:] == [64 * MIB, MIB]
    assert (storage.folder / "b").read_bytes() == (storage.folder / "a").read_bytes()


def test_links_in_a_pool_lead_no_change_out_of_it(storage: Storage, tmp_path: Path) -> None:
    """Wipe, resize, upload and download refuse; a delete removes the link."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"x" * MIB)
    (storage.folder / "link").symlink_to(outside)
    storage.pool.refresh()
    volume = storage.pool.storageVolLookupByName("link")
    for change in (volume.wipe, lambda: volume.wipePattern(1), lambda: volume.resize(2 * MIB)):
        assert "symbolic link" in refusal(change)[2]
    stream = storage.conn.newStream()
    volume.upload(stream, 0, 0)
    assert "symbolic link" in refusal(stream.finish)[2]
    volume.delete()
    assert (outside.read_bytes(), storage.files()) == (b"x" * MIB, [])


def test_a_refresh_sees_what_others_did(storage: Storage) -> None:
    """New files, changed ones, and those that are gone; directories are volumes too, as in libvirt."""
    storage.make("a")
    storage.make("b")
    (storage.folder / "a").unlink()
    (storage.folder / "d").mkdir()
    (storage.folder / "nowhere").symlink_to("/nope")
    (storage.folder / "odd\x01").touch()
    os.mkfifo(storage.folder / "pipe")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", storage.folder / "b", "3M"], check=True)
    storage.pool.refresh()
    assert storage.pool.storageVolLookupByName("b").info()[:2] == [0, 3 * MIB]
    assert storage.pool.listVolumes() == ["b", "d"]
    assert "<format type='dir'/>" in storage.pool.storageVolLookupByName("d").XMLDesc()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("", {"compat": "0.10"}),
        ("<compat>1.1</compat>", {"compat": "1.1", "lazy-refcounts": False}),
        ("<compat>1.1</compat><features><lazy_refcounts/></features>", {"lazy-refcounts": True}),
        ("<compat>1.1</compat><features><extended_l2/></features>", {"extended-l2": True}),
        ("<compat>1.1</compat><nocow/>", {"compat": "1.1"}),
    ],
)
@pytest.mark.parametrize("flags", [0, libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA])
@pytest.mark.parametrize("allocation", [0, 8 * MIB])
def test_options_of_qcow2_are_in_the_image(
    storage: Storage, words: str, wanted: dict[str, object], flags: int, allocation: int
) -> None:
    """As qemu-img reads them; with tables, or all of it, allocated when that is asked for."""
    size = 8 * MIB
    target = f"<target><format type='qcow2'/>{words}<clusterSize unit='KiB'>32</clusterSize></target>"
    sizes = f"<capacity>{size}</capacity><allocation>{allocation}</allocation>"
    made = storage.pool.createXML(f"<volume><name>q</name>{sizes}{target}</volume>", flags)
    said = info(made.path())
    assert (said["virtual-size"], said["cluster-size"]) == (size, 32768)
    data = said["format-specific"]["data"]
    assert {key: data[key] for key in wanted} == wanted
    length, used = made.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2], made.info()[2]
    assert (length >= size) == bool(flags)
    assert (used >= size) == bool(flags and allocation)


@pytest.fixture
def small(storage: Storage, tmp_path: Path) -> Iterator[Storage]:
    """A pool on a file system of 16 MiB; only root can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "t", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system needs the right to mount one")
    try:
        pool = storage.conn.storagePoolCreateXML(pool_xml("small", folder))
        yield Storage(storage.conn, pool, folder)
        pool.destroy()
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_pool_as_it_was(small: Storage) -> None:
    """Create, copy, upload and resize say how much was missing, and leave nothing."""
    made = small.make("a", 10 * MIB, allocation=None)
    (small.folder / "a").write_bytes(b"x" * 10 * MIB)
    empty = small.make("empty", 32 * MIB)
    before = small.files(), made.info(), empty.info()

    def upload() -> None:
        stream = small.conn.newStream()
        empty.upload(stream, 0, 0)
        try:
            for _ in range(32):
                stream.send(b"x" * MIB)
        finally:
            stream.finish()

    def sparse() -> None:
        stream = small.conn.newStream()
        empty.upload(stream, MIB, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        try:
            for _ in range(16):
                stream.sendHole(MIB // 2)
                stream.send(b"x" * 65536)
                for _ in range(30):
                    stream.send(b"x" * 65536)
        finally:
            stream.finish()

    def full(format: str, flags: int) -> object:
        xml = volume_xml("b", 32 * MIB, allocation=None, format=format)
        return small.pool.createXML(xml, flags)

    for change, missing in (
        (lambda: small.pool.createXMLFrom(volume_xml("b", 0, format="qcow2"), made), 1),
        (lambda: full("qcow2", libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA), 1),
        (sparse, 1),
        (lambda: small.make("b", 10 * MIB, allocation=None), 4 * MIB),
        (lambda: small.pool.createXMLFrom(volume_xml("b", 0), made), 4 * MIB),
        (lambda: made.resize(20 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_ALLOCATE), 4 * MIB),
        (upload, 1),
    ):
        said = refusal(change)[2]
        found = re.search("(?:No|Not enough) space left on .* ([0-9]+)(?: bytes)? are missing", said)
        assert found is not None, said
        assert int(found[1]) >= missing
        assert (small.files(), made.info(), empty.info()) == before
    small.pool.refresh()
    assert (small.files(), made.info(), empty.info()) == before


def test_a_copy_of_nothing_is_refused(storage: Storage) -> None:
    """It would be an empty volume that looks like the copy."""
    none: Any = None
    got = refusal(storage.pool.createXMLFrom, volume_xml("b", MIB), none)
    assert (got[0], storage.files()) == (libvirt.VIR_ERR_INVALID_STORAGE_VOL, [])


@pytest.mark.parametrize("flags", [0, 1, 2, 4, 6, 7])
def test_a_negative_size_is_refused(storage: Storage, flags: int) -> None:
    """Also as a difference, where less by -1 would be more."""
    volume = storage.make("a")
    assert refusal(volume.resize, -1, flags)[0] == libvirt.VIR_ERR_INVALID_ARG
    assert volume.info()[1] == MIB


def test_a_name_for_volumes_that_are_being_made_is_refused(storage: Storage) -> None:
    """Nobody would see it; one that only looks like it is seen."""
    assert refusal(storage.make, ".embervirt-0123456789abcdef.tmp")[0] == libvirt.VIR_ERR_OPERATION_INVALID
    storage.make(".embervirt-mine.tmp")
    storage.pool.refresh()
    assert storage.pool.listVolumes() == [".embervirt-mine.tmp"] == storage.files()


def test_a_directory_has_no_size(storage: Storage) -> None:
    """As in libvirt 9; nor has an empty file a physical one."""
    (storage.folder / "folder").mkdir()
    (storage.folder / "empty").touch()
    storage.pool.refresh()
    folder, empty = (storage.pool.storageVolLookupByName(name) for name in ("folder", "empty"))
    assert folder.info() == [libvirt.VIR_STORAGE_VOL_DIR, 0, 0]
    assert all("<physical" not in each.XMLDesc() for each in (folder, empty))
