"""Sets of numbers as libvirt writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embervirt.drivers.qemu.model.cpuset import HIGHEST, cpuset, members, text_of

NUMBERS = st.sets(st.integers(0, HIGHEST), min_size=1, max_size=30)


@given(NUMBERS)
def test_set_reads_back_as_it_was(numbers: set[int]) -> None:
    """The text of a set has its members, and is its own shortest text."""
    text = text_of(tuple(numbers))
    assert members(text) == tuple(sorted(numbers))
    assert cpuset.decode(text) == text


@pytest.mark.parametrize(
    ("text", "expected"), [("0-3,^2", (0, 1, 3)), (" 5 , 1-1", (1, 5)), ("3,1,2", (1, 2, 3))]
)
def test_ranges_and_exceptions_count(text: str, expected: tuple[int, ...]) -> None:
    """A range is all between its ends; ``^`` takes a number out of what stands before it."""
    assert members(text) == expected


@pytest.mark.parametrize("text", ["", "x", "3-1", "1,,2", "-1", f"{HIGHEST + 1}", "0-999999999", "^1-2"])
def test_other_text_is_no_set(text: str) -> None:
    """What is not a set, or would have too many members, is refused."""
    with pytest.raises(ValueError):
        members(text)


def test_empty_set_is_refused() -> None:
    """A set without members is none that anything could run on."""
    with pytest.raises(ValueError):
        cpuset.decode("1,^1")
