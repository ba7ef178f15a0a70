"""Sets of numbers (host CPUs, vCPUs, NUMA nodes) as libvirt writes them: ``0-3,^2,7``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from embervirt.drivers.xml import Codec
from embervirt.errors import ConfigUnsupported, InvalidArgument, libvirtError

_ITEM = re.compile(r"\s*(\^?)([0-9]{1,9})(?:-([0-9]{1,9}))?\s*")
HIGHEST = 16383
"""The highest number in a set; more would be a bomb."""
MOST = 2 * (HIGHEST + 1)
"""Items in the text of a set, likewise."""


def members(text: str) -> tuple[int, ...]:
    """The numbers of a set, in order. ValueError when the text is none, or names one above HIGHEST."""
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
    return tuple(number for number in range(bits.bit_length()) if bits >> number & 1)


def text_of(numbers: tuple[int, ...]) -> str:
    """The shortest text of a set: ``0-3,7``."""
    runs = groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])
    spans = [[number for _, number in run] for _, run in runs]
    return ",".join(f"{s[0]}-{s[-1]}" if len(s) > 1 else str(s[0]) for s in spans)


@dataclass(frozen=True)
class CpuSet(Codec[str]):
    """A set that is not empty, in its shortest text."""

    @property
    def accepts(self) -> str:
        return f"numbers up to {HIGHEST} and ranges such as 0-3,^2,7, at least one"

    def error_for(self, text: str) -> type[libvirtError]:
        try:
            members(text)
        except ValueError:
            return InvalidArgument
        return ConfigUnsupported

    def decode(self, text: str) -> str:
        found = members(text)
        if not found:
            raise ValueError(text)
        return text_of(found)

    def encode(self, value: str) -> str:
        return value


cpuset = CpuSet()
