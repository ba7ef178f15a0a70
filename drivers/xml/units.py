"""Sizes with a unit, as libvirt reads them: ``<memory unit='MiB'>64</memory>``.

Source: libvirt's "Memory Allocation" documentation. ``k``/``KiB`` are powers of 1024, ``KB`` of
1000, case does not matter; a size that is no whole number of KiB is rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass

from embervirt.drivers.xml.codecs import Codec
from embervirt.errors import InvalidArgument, libvirtError

_BYTES = {"b": 1, "byte": 1, "bytes": 1}
_POWERS = {letter: power for power, letter in enumerate("kmgtpe", start=1)}
_WORDS = "b, bytes, KB, k, KiB, MB, M, MiB, GB, G, GiB, TB, T, TiB, PB, P, PiB, EB, E, EiB"
LIMIT = 2**63 - 1
"""No size is above this many bytes (libvirt's own limit)."""


@dataclass(frozen=True)
class Unit(Codec[int]):
    """The number of bytes in a unit; an unknown one is an invalid argument, as in libvirt."""

    error: type[libvirtError] = InvalidArgument

    @property
    def accepts(self) -> str:
        return f"one of: {_WORDS}"

    def decode(self, text: str) -> int:
        unit = text.lower()
        if unit in _BYTES:
            return _BYTES[unit]
        power, rest = _POWERS.get(unit[:1]), unit[1:]
        if power is None or rest not in ("", "b", "ib"):
            raise ValueError(text)
        return int((1000 if rest == "b" else 1024) ** power)

    def encode(self, value: int) -> str:
        return next(word for word in _WORDS.split(", ") if self.decode(word) == value)


def kib(count: int, unit_bytes: int) -> int:
    """``count`` units in KiB, rounded up; ValueError above LIMIT."""
    size = count * unit_bytes
    if size > LIMIT:
        raise ValueError(size)
    return -(-size // 1024)


def largest(kib: int) -> tuple[int, str]:
    """KiB as a whole number of the largest unit that it is a multiple of."""
    count, units = kib, iter(("KiB", "MiB", "GiB", "TiB", "PiB"))
    unit = next(units)
    for bigger in units:
        if not count or count % 1024:
            break
        count, unit = count // 1024, bigger
    return count, unit
