"""Notices of the kernel about links."""

from __future__ import annotations

import struct

import pytest

from embervirt.drivers.network.backend.notices import RTM_DELLINK, tells

RTM_NEWLINK = 16


def message(kind: int, length: int = 32) -> bytes:
    """With as many bytes."""
    return struct.pack("=LHHLL", length, kind, 0, 0, 0).ljust(length, b"\0")


@pytest.mark.parametrize(
    ("data", "gone"),
    [
        (b"", False),
        (message(RTM_NEWLINK), False),
        (message(RTM_NEWLINK, 36) + message(RTM_DELLINK), True),
        (message(RTM_DELLINK)[:10], False),
        (message(RTM_NEWLINK, 16)[:4].replace(b"\x10", b"\0") + message(RTM_NEWLINK, 16)[4:], False),
    ],
)
def test_a_link_that_went_is_found_among_others(data: bytes, gone: bool) -> None:
    """Also behind other messages; half a message, or one without a length, is nothing."""
    assert tells(data) == gone
