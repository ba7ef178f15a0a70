"""What a root does once in a boot of its host, and the stamp that says so."""

from __future__ import annotations

import time
from pathlib import Path

from embervirt.drivers.root.files import read, write
from embervirt.supervisor.identity import boot_id


def done(stamp: Path) -> bool:
    """Whether that was in this boot of the host. libvirt's stamp is empty, and counts by its time."""
    if not stamp.exists():
        return False
    said = read(stamp).decode(errors="replace").strip()
    if said:
        return said == boot_id()
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return stamp.stat().st_mtime > booted


def mark(stamp: Path) -> None:
    """That it is done, until the host boots again."""
    write(stamp, f"{boot_id()}\n".encode(), durable=False)
