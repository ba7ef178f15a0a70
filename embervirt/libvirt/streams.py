"""The connection's streams."""

from __future__ import annotations

from embervirt.libvirt.connection import Connection
from embervirt.libvirt.flags import only
from embervirt.libvirt.stream import NONBLOCK, virStream


class StreamCalls(Connection):
    """The part of ``virConnect`` that makes streams."""

    def newStream(self, flags: int = 0) -> virStream:
        """One that is connected to nothing yet; with NONBLOCK (1) it never waits."""
        self._check_open()
        only(flags, NONBLOCK, "newStream")
        return virStream(self, flags)
