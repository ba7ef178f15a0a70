"""Flags that a call does not know are refused, never ignored."""

from __future__ import annotations

from embervirt.errors import InvalidArgument


def only(flags: int, known: int, call: str) -> None:
    """Raises InvalidArgument, as libvirt does, when ``flags`` has a bit outside ``known``."""
    if flags & ~known:
        raise InvalidArgument(f"unsupported flags (0x{flags & ~known:x}) in {call}; known are 0x{known:x}")
