"""Where a new partition goes: read from what parted prints, and chosen so that none touches another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.storage.images.partitions import ALIGNED, Disk, Piece, Place, placed, shown
from embervirt.errors import libvirtError

MIB = 1 << 20
DOS = """BYT;
/dev/a:b:67108864B:file:512:512:msdos:a: b:;
1:16384B:1048575B:1032192B:free;
1:1048576B:9437183B:8388608B:::;
1:9437184B:20971519B:11534336B:free;
2:20971520B:60000255B:39028736B:::lba;
1:20987904B:21954559B:966656B:free;
5:22020096B:24117247B:2097152B:::swap;
1:24117248B:60000255B:35883008B:free;
1:60000256B:67108863B:7108608B:free;
"""
"""As parted 3.5 printed it, but for the names of the device and its model."""


def test_what_parted_says_is_understood() -> None:
    """Free bytes, the partition that others lie in, and those; colons in names do not matter."""
    disk = shown(DOS)
    assert (disk.length, disk.sector, disk.label) == (67108864, 512, "msdos")
    assert [each.number for each in disk.partitions] == [1, 2, 5]
    assert disk.extended == Piece(2, 20971520, 60000255)
    assert [each.number for each in disk.logical] == [5]
    assert sum(each.length for each in disk.free) == 1032192 + 11534336 + 966656 + 35883008 + 7108608


@pytest.mark.parametrize("text", ["", "BYT;", "Error: /dev/x: unrecognised disk label", "BYT;\n/dev/a:x;\n"])
def test_what_is_not_parteds_output_is_an_error(text: str) -> None:
    """That shows it."""
    with pytest.raises(libvirtError, match="parted: what it said is not understood"):
        shown(text)


@pytest.mark.parametrize(
    ("wanted", "extended", "place"),
    [
        (4 * MIB, False, Place(3, 58 * MIB, 62 * MIB - 1, "primary")),
        (11 * MIB, False, Place(3, 9 * MIB, 20 * MIB - 1, "primary")),
        (MIB // 2, False, Place(3, 16384, 16384 + MIB // 2 - 1, "primary")),
    ],
)
def test_a_partition_goes_to_the_smallest_piece_that_has_room(
    wanted: int, extended: bool, place: Place
) -> None:
    """Aligned if it fits so, outside the extended one while there are primary ones left."""
    assert placed(shown(DOS), wanted, extended=extended) == place


def test_with_four_primary_partitions_the_next_is_a_logical_one() -> None:
    """It leaves a sector for the table before it; without an extended one there is no room for more."""
    disk = shown(DOS)
    more = (Piece(3, 10 * MIB, 11 * MIB - 1), Piece(4, 12 * MIB, 13 * MIB - 1))
    full = Disk(disk.length, 512, "msdos", (*disk.pieces, *more))
    assert placed(full, MIB, extended=False) == Place(6, 24 * MIB, 25 * MIB - 1, "logical")
    four = tuple(Piece(number, number * MIB, number * MIB + 511) for number in range(1, 5))
    with pytest.raises(libvirtError, match="no more partitions"):
        placed(Disk(disk.length, 512, "msdos", (*four, Piece(0, 8 * MIB, 9 * MIB))), 512, extended=False)


@pytest.mark.parametrize(
    ("label", "message"), [("msdos", "extended partition already exists"), ("gpt", "no extended partitions")]
)
def test_there_is_one_extended_partition_of_a_dos_label(label: str, message: str) -> None:
    """And none of another."""
    disk = shown(DOS)
    with pytest.raises(libvirtError, match=message):
        placed(Disk(disk.length, 512, label, disk.pieces), MIB, extended=True)


@given(
    st.lists(st.integers(1, 64), min_size=1, max_size=8),
    st.integers(1, 40 * MIB),
    st.sampled_from(["gpt", "msdos"]),
)
def test_a_new_partition_lies_in_free_bytes(lengths: list[int], wanted: int, label: str) -> None:
    """All of it, whole sectors, under a number that nobody has; or the error says what there is."""
    pieces, at = [], 17408
    for place, length in enumerate(lengths):
        number = (place + 1) // 2 if place % 2 else 0
        pieces.append(Piece(number, at, at + length * 300_032 - 1))
        at += length * 300_032
    disk = Disk(at, 512, label, tuple(pieces))
    try:
        found = placed(disk, wanted, extended=False)
    except libvirtError as error:
        assert "no large enough free extent" in str(error) or label == "msdos"
        return
    assert any(piece.start <= found.start and found.end <= piece.end for piece in disk.free)
    assert found.end - found.start + 1 - wanted in range(512)
    assert found.start % 512 == 0
    assert found.number not in {each.number for each in disk.partitions}
    if any(piece.length >= wanted + 2 * ALIGNED for piece in disk.free):
        assert min(p.length for p in disk.free if p.start <= found.start <= p.end) >= wanted
