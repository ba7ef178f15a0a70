"""Sets of numbers (host CPUs, vCPUs, NUMA nodes) as libvirt writes them: ``0-3,^2,7``."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from embervirt.drivers.xml import Codec
from embervirt.errors import ConfigUnsupported, InvalidArgument, libvirtError

_ITEM = re.compile(r"\s*(\^?)([0-9]{1,9})(?:-([0-9]{1,9}))?\s*")
HIGHEST = 16383
"""The highest number in a set; more would be a bomb."""
MOST = 2 * (HIGHEST + 1)
"""Items in the text of a set, likewise."""


def members(text: str) -> tuple[int, ...]:
    """The numbers of a set, in order. ValueError when the text is none, or names one above HIGHEST."""
    return tuple(itertools.chain.from_iterable(range(first, end) for first, end in _runs(_bits(text))))


def size(text: str) -> int:
    """How many numbers a set has, without writing them down. ValueError as ``members``."""
    return _bits(text).bit_count()


def text_of(numbers: Iterable[int]) -> str:
    """The shortest text of a set: ``0-3,7``."""
    bits = 0
    for number in numbers:
        bits |= 1 << number
    return _text(bits)


def _bits(text: str) -> int:
    """A set as a number with a bit for each of its members: what is said in few characters costs little."""
    if text.count(",") >= MOST:
        raise ValueError(text)
    bits = 0
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ValueError(text)
        first, last = int(match[2]), int(match[3] or match[2])
        if last < first or last > HIGHEST or (match[1] and match[3]):
            raise ValueError(text)
        named = (1 << last + 1) - (1 << first)
        bits = bits & ~named if match[1] else bits | named
    return bits


def _runs(bits: int) -> Iterator[tuple[int, int]]:
    """First numbers and those after the last."""
    start = 0
    while bits:
        gap = (bits & -bits).bit_length() - 1
        bits >>= gap
        length = (bits + 1 & ~bits).bit_length() - 1
        bits >>= length
        yield start + gap, start + gap + length
        start += gap + length


def _text(bits: int) -> str:
    spans = ((first, end - 1) for first, end in _runs(bits))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


@dataclass(frozen=True)
class CpuSet(Codec[str]):
    """A set that is not empty, in its shortest text."""

    @property
    def accepts(self) -> str:
        return f"numbers up to {HIGHEST} and ranges such as 0-3,^2,7, at least one"

    def error_for(self, text: str) -> type[libvirtError]:
        try:
            _bits(text)
        except ValueError:
            return InvalidArgument
        return ConfigUnsupported

    def decode(self, text: str) -> str:
        found = _bits(text)
        if not found:
            raise ValueError(text)
        return _text(found)

    def encode(self, value: str) -> str:
        return value


cpuset = CpuSet()
