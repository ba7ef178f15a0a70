"""What is read without a message: against a look-up in a dict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import embervirt as libvirt
from bench.figure import Figure, at_most, microseconds
from bench.guests import ordinary


def figures(conn: libvirt.virConnect, directory: Path) -> Iterator[Figure]:
    """Of a guest that runs and of one that does not."""
    running, off = (conn.defineXML(ordinary(name, directory)) for name in ("running", "off"))
    running.create()
    floor = microseconds(lambda: {"key": 1}.get("key"), 20_000)
    for name, domain in (("running", running), ("shut off", off)):
        yield at_most(f"state ({name})", microseconds(domain.state, 20_000), 1.5, "us", floor)
        yield at_most(f"XMLDesc ({name})", microseconds(domain.XMLDesc, 5_000), 10, "us", floor)
    running.destroy()
