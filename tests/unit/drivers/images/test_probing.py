"""Headers of images, made by hand here; real ones are in the integration tests."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embervirt.drivers.images import Image, image_at
from embervirt.drivers.images.others import VPC_GEOMETRY
from embervirt.drivers.images.probing import ISO_AT, READERS
from embervirt.drivers.images.qcow import MAGIC

BOCHS = b"Bochs Virtual HD Image".ljust(32, b"\0") + b"Redolog".ljust(16, b"\0") + b"Growing".ljust(16, b"\0")
CLOOP = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n"


def vpc(creator: bytes, cylinders: int) -> bytes:
    """The copy of the footer that a dynamic disk begins with; 1 MiB by its own account."""
    start = b"conectix".ljust(28, b"\0") + creator.ljust(20, b"\0") + struct.pack(">Q", 1 << 20)
    return (start + VPC_GEOMETRY.pack(cylinders, 16, 63)).ljust(512, b"\0")


HEADERS = [
    (b"", "a", Image("raw")),
    (b"QFI\xfb\0\0\0\3", "a", Image("raw")),
    (b"KDMV", "a", Image("raw")),
    (b"conectix", "a", Image("raw")),
    (
        BOCHS + struct.pack("<5IIQ", 0x10000, 512, 0, 0, 0, 7, 0)[:20] + struct.pack("<Q", 9),
        "a",
        Image("bochs", 9),
    ),
    (BOCHS + struct.pack("<6IQ", 0x20000, 512, 0, 0, 0, 7, 8), "a", Image("bochs", 8)),
    (b"Bochs Virtual HD Image\0".ljust(100, b"\0"), "a", Image("raw")),
    (CLOOP.ljust(128, b"\0") + struct.pack(">II", 65536, 3), "a", Image("cloop", 3 * 65536)),
    (vpc(b"vpc ", 2), "a", Image("vpc", 2 * 16 * 63 * 512)),
    (vpc(b"win ", 2), "a", Image("vpc", 1 << 20)),
    (b"COWD".ljust(12, b"\0") + struct.pack("<I", 8), "a", Image("vmdk", 4096)),
    (b"LUKS\xba\xbe\0\2".ljust(4096, b"\0"), "a", Image("raw", encryption="luks2")),
    (b"WithoutFreeSpace".ljust(36, b"\0") + struct.pack("<II", 8, 99), "a", Image("ploop", 4096)),
    (
        b"\0" * 512 + b"koly".ljust(492, b"\0") + struct.pack(">Q", 8) + b"\0" * 12,
        "a.dmg",
        Image("dmg", 4096),
    ),
    (b"\0" * 512 + b"koly".ljust(492, b"\0") + struct.pack(">Q", 8) + b"\0" * 12, "a", Image("raw")),
    (b"\0" * 512, "a.dmg", Image("raw")),
    (b"\0" * ISO_AT + b"CD001" + b"\0" * 99, "a", Image("iso")),
    (b"OOOM" + b"\0" * 5000, "a", Image("raw")),
]


@pytest.mark.parametrize(("content", "name", "image"), HEADERS)
def test_a_format_is_told_by_its_first_bytes(content: bytes, name: str, image: Image, tmp_path: Path) -> None:
    """A dmg by its name as well, as QEMU does; what is cut short or unknown is raw."""
    path = tmp_path / name
    path.write_bytes(content)
    assert image_at(str(path)) == image


@pytest.mark.parametrize("kind", ["fifo", "directory", "missing"])
def test_what_is_no_file_is_not_waited_for(kind: str, tmp_path: Path) -> None:
    """A FIFO without a writer would hang whoever opens it."""
    path = tmp_path / "x"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    with pytest.raises(OSError, match=r"neither a file nor a block device|No such file"):
        image_at(str(path))


@pytest.mark.parametrize(("length", "stored"), [(0, b"x"), (5, b"abc"), (3, b"a\0c"), (1024, b"x" * 1024)])
def test_a_damaged_backing_name_is_an_error(length: int, stored: bytes, tmp_path: Path) -> None:
    """Without a name, cut short, with a zero byte, too long: it is not read as something else."""
    path = tmp_path / "x"
    path.write_bytes(struct.pack(">4sIQIIQI", b"QFI\xfb", 2, 72, length, 16, 1, 0).ljust(72, b"\0") + stored)
    with pytest.raises(OSError, match="name of the image below is damaged"):
        image_at(str(path))


def test_any_bytes_behind_a_magic_are_an_image_or_an_error_of_the_file(tmp_path: Path) -> None:
    """Never another exception, never a negative size."""
    path = tmp_path / "any"

    @settings(max_examples=300)
    @given(st.sampled_from([magic for magic, _ in READERS.values()]), st.binary(max_size=600))
    def check(magic: bytes, rest: bytes) -> None:
        path.write_bytes(magic + rest)
        try:
            found = image_at(str(path))
        except OSError:
            return
        assert found.capacity is None or found.capacity >= 0
        assert found.cluster_size is None or found.cluster_size >= 0

    check()


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_damaged_headers_end_in_an_error_or_an_answer(tail: bytes, offset: int, length: int) -> None:
    """Whatever the numbers in it are, reading is bounded and nothing else is raised."""
    path = Path("/dev/shm") / f"header-{id(tail)}"
    try:
        path.write_bytes(struct.pack(">4sIQI", MAGIC, 3, offset, length) + tail)
        try:
            found = image_at(str(path))
        except OSError:
            return
        assert found.format in ("raw", "qcow2")
    finally:
        path.unlink()
