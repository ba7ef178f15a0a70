"""What messages call a link."""

from __future__ import annotations

import socket

from embervirt.drivers.network.backend.links import called


def test_a_link_is_called_by_its_name() -> None:
    """One that is gone by its number."""
    assert called(socket.if_nametoindex("lo")) == "link 'lo'"
    assert called(2**31 - 1) == "link 2147483647"
