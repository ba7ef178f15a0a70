"""Headers of images that qemu-img makes, and images that are made by our commands."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from embervirt.drivers.images import Image, image_at
from embervirt.drivers.storage.images import Keys, create, resize
from embervirt.drivers.storage.model import Volume
from embervirt.drivers.storage.postparse import placed
from embervirt.drivers.storage.reading import read_pool, read_volume

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")

LUKS = "<encryption format='luks'><secret type='passphrase' usage='u'/></encryption>"
KEY = ("--object", "secret,id=s,data=abc")
WORDS = {"parallels": "ploop", "luks": "raw"}
"""libvirt's words for QEMU's."""

MADE = [
    ("raw",),
    ("qcow",),
    ("qcow2",),
    ("qcow2", "-o", "compat=0.10,cluster_size=4096"),
    ("qcow2", "-o", "lazy_refcounts=on,extended_l2=on,cluster_size=128k"),
    ("qcow2", *KEY, "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"),
    ("qed",),
    ("vdi",),
    ("vpc",),
    ("vpc", "-o", "force_size=on"),
    ("vmdk",),
    ("vmdk", "-o", "subformat=streamOptimized"),
    ("vmdk", "-o", "subformat=monolithicFlat"),
    ("vmdk", "-o", "subformat=twoGbMaxExtentSparse"),
    ("parallels",),
    ("luks", *KEY, "-o", "key-secret=s,iter-time=10"),
]


def told(path: Path) -> dict[str, object]:
    """What qemu-img says."""
    done = subprocess.run(["qemu-img", "info", "--output=json", path], capture_output=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def run(*command: str | Path) -> None:
    """To its success. QEMU's benchmark of PBKDF2 fails at times on a busy host: then it is asked again."""
    for _ in range(20):
        done = subprocess.run(command, capture_output=True)
        if b"accurate CPU usage" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr


def quick(command: list[str]) -> list[str]:
    """With a key that is derived in a few milliseconds instead of two seconds."""
    if "create" not in command or "--object" not in command:
        return command
    at = command.index("-o") + 1
    before = "encrypt." if "encrypt." in command[at] else ""
    return [*command[:at], f"{command[at]},{before}iter-time=10", *command[at + 1 :]]


@pytest.mark.parametrize("words", MADE, ids=" ".join)
def test_an_image_is_read_as_qemu_img_reads_it(words: tuple[str, ...], tmp_path: Path) -> None:
    """Its format, its size, its clusters, whether it is encrypted."""
    path = tmp_path / "image"
    run("qemu-img", "create", "-q", "-f", *words, path, "10M")
    found, theirs = image_at(str(path)), told(path)
    assert found.format == WORDS.get(str(theirs["format"]), theirs["format"])
    size = path.stat().st_size if found.capacity is None else found.capacity
    assert size == theirs["virtual-size"]
    assert found.cluster_size in (None, theirs.get("cluster-size"))
    assert bool(found.encryption) == bool(theirs.get("encrypted") or words[0] == "luks")


@pytest.mark.parametrize(
    ("format_", "below"), [("qcow2", "raw"), ("qed", "raw"), ("vmdk", "vmdk"), ("qcow", "raw")]
)
def test_the_image_below_is_named(format_: str, below: str, tmp_path: Path) -> None:
    """By the text in the file, with the format that it is said to have."""
    run("qemu-img", "create", "-q", "-f", below, tmp_path / "base", "1M")
    run("qemu-img", "create", "-q", "-f", format_, "-b", "base", "-F", below, tmp_path / "top")
    found = image_at(str(tmp_path / "top"))
    assert found.backing == "base"
    assert found.backing_format in (None, below)
    assert (found.backing_format is None) == (format_ in ("vmdk", "qcow"))


def test_a_name_after_a_long_header_is_found(tmp_path: Path) -> None:
    """As long as QEMU takes one."""
    base = tmp_path / ("d" * 200) / ("e" * 200) / "base"
    base.parent.mkdir(parents=True)
    run("qemu-img", "create", "-q", "-f", "raw", base, "1M")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", tmp_path / "top")
    assert image_at(str(tmp_path / "top")).backing == str(base)


def test_a_data_file_is_named(tmp_path: Path) -> None:
    """Where the clusters of a qcow2 are outside of it."""
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/d", tmp_path / "x", "1M")
    assert image_at(str(tmp_path / "x")).data_file == f"{tmp_path}/d"


def volume(folder: Path, name: str, target: str, more: str = "") -> Volume:
    """A volume of 1 MiB in a pool in that folder."""
    pool = read_pool(f"<pool type='dir'><name>p</name><target><path>{folder}</path></target></pool>")
    size = "<capacity unit='M'>1</capacity>"
    xml = f"<volume><name>{name}</name>{size}<target>{target}</target>{more}</volume>"
    return placed(read_volume(xml, pool), pool)


NAMES = ["v", "-x", "a,b=c", "a\nb", "é d", "json:{", "nbd:h"]


CASES = [(name, "<format type='qcow2'/>") for name in NAMES]
CASES += [("a,b=c\n", LUKS), ("-é d", f"<format type='qcow2'/>{LUKS}")]


@pytest.mark.parametrize(("name", "target"), CASES)
def test_a_volume_of_any_name_is_made_cloned_and_resized(name: str, target: str, tmp_path: Path) -> None:
    """Inside its pool, whatever is in its name; by the commands that we give."""
    pool, key = tmp_path / "pool", tmp_path / "key,file"
    pool.mkdir()
    key.write_bytes(b"passphrase")
    first = volume(pool, name, target)
    clone = volume(pool, f"{name}2", target)
    keys = Keys(str(key), str(key))
    for command in (*create(first, keys=keys), *create(clone, source=first, keys=keys)):
        run(*quick(command))
    for command in resize(first, 2 << 20, key=str(key)):
        run(*command)
    assert sorted(path.name for path in pool.iterdir()) == sorted([name, f"{name}2"])
    found = image_at(first.path)
    assert (found.format, found.capacity, image_at(clone.path).capacity) == (first.format, 2 << 20, 1 << 20)
    assert (found.encryption == "luks") == ("encryption" in target)


def test_every_wish_of_a_qcow2_is_in_its_header(tmp_path: Path) -> None:
    """The clusters, the features, the image below."""
    run("qemu-img", "create", "-q", "-f", "raw", tmp_path / "base", "1M")
    features = "<features><lazy_refcounts/><extended_l2/></features>"
    wishes = f"<format type='qcow2'/><clusterSize unit='KiB'>128</clusterSize>{features}"
    below = f"<backingStore><path>{tmp_path}/base</path></backingStore>"
    for command in create(volume(tmp_path, "v", wishes, below)):
        run(*command)
    expected = Image("qcow2", 1 << 20, f"{tmp_path}/base", "raw", None, "1.1", 131072, True, True)
    assert image_at(str(tmp_path / "v")) == expected
