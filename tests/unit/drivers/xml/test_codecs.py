"""Values in XML: what is accepted, what is written, and that the two agree."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.xml import Codec, Text, choice, hexadecimal, integer, mac, on_off, uuid, yes_no
from embervirt.drivers.xml.units import LIMIT, Unit, kib


@pytest.mark.parametrize(
    ("codec", "text", "value"),
    [
        (integer(), " 42 ", 42),
        (integer(), "+42", 42),
        (integer(-5, 5), "-5", -5),
        (hexadecimal(255, 2), "0x0A", 10),
        (hexadecimal(255, 2), "10", 10),
        (yes_no, "yes", True),
        (on_off, "off", False),
        (choice("a", "b"), "b", "b"),
        (mac, "52:54:0:A:bc:1", "52:54:00:0a:bc:01"),
        (Text("[a-z]+"), "abc", "abc"),
    ],
)
def test_value_is_read(codec: Codec[Any], text: str, value: object) -> None:
    """Each codec reads its spellings."""
    assert codec.decode(text) == value


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        *((integer(), text) for text in ("", "-1", "1.0", "0x10", "1_0", "\u0661", "1 2", str(2**64))),
        *((hexadecimal(255), text) for text in ("", "0x", "256", "0x100", "xyz")),
        *((yes_no, text) for text in ("", "on", "Yes", "1")),
        *((choice("a", "b"), text) for text in ("", "c", "A")),
        *((mac, text) for text in ("", "52:54:00:00:00", "52:54:00:00:00:000", "52-54-00-00-00-00", "zz")),
        *((uuid, text) for text in ("", "zz", "0" * 31, "0" * 33, "0" * 31 + "g", "0-" * 32)),
        (Text("[a-z]+"), "ab1"),
        *((Unit(), text) for text in ("", "x", "Ki", "Kb b", "KIBB", "bit")),
    ],
)
def test_value_is_refused(codec: Codec[Any], text: str) -> None:
    """Each codec refuses what it does not know, and can say what it knows."""
    with pytest.raises(ValueError):
        codec.decode(text)
    assert codec.accepts


@given(st.uuids(), st.sampled_from(["{}", " {} ", "\n{}\t"]), st.booleans(), st.booleans())
def test_every_spelling_of_a_uuid_is_the_canonical_one(
    value: UUID, around: str, upper: bool, blanks: bool
) -> None:
    """Hyphens, blanks, no hyphens, either case: libvirt reads all, and writes one."""
    spelling = str(value).replace("-", " " if blanks else "-")
    assert uuid.decode(around.format(spelling.upper() if upper else spelling)) == str(value)
    assert uuid.decode(value.hex) == str(value)


def test_reading_a_hostile_uuid_takes_linear_time() -> None:
    """A long run of separators is refused without trying its divisions."""
    begun = time.process_time()
    for text in ("- " * 100_000 + "0", "0" + " " * 100_000 + "x", " " * 100_000 + "x"):
        with pytest.raises(ValueError):
            uuid.decode(text)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("unit", "size"),
    [
        *(("b", 1), ("byte", 1), ("bytes", 1), ("KB", 1000), ("k", 1024), ("K", 1024), ("KiB", 1024)),
        *(("kib", 1024), ("MB", 10**6), ("M", 2**20), ("MiB", 2**20), ("GB", 10**9), ("G", 2**30)),
        *(("GiB", 2**30), ("TB", 10**12), ("T", 2**40), ("PiB", 2**50), ("EB", 10**18), ("EiB", 2**60)),
    ],
)
def test_units(unit: str, size: int) -> None:
    """Decimal and binary units, in any case, as libvirt's documentation lists them."""
    assert Unit().decode(unit) == size


@given(st.integers(0, 2**64), st.sampled_from([1, 1000, 1024, 10**6, 2**20, 2**60]))
def test_sizes_are_rounded_up_to_kib(count: int, unit: int) -> None:
    """The KiB of a size are as few as hold it; above the limit there is no answer."""
    if count * unit > LIMIT:
        with pytest.raises(ValueError):
            kib(count, unit)
        return
    assert (kib(count, unit) - 1) * 1024 < count * unit <= kib(count, unit) * 1024
