"""Another user for QEMU: a place that it can come to, and what of a root is whose."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = (65534, 65534)
"""User and group ``nobody`` of Debian."""

ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run QEMU as another user")


@contextmanager
def public_place() -> Iterator[Path]:
    """A directory that everybody can come to; pytest's are private, and made so again by every session."""
    place = Path(tempfile.mkdtemp(prefix="embervirt-")).resolve()
    try:
        place.chmod(0o711)
        if not all(each.stat().st_mode & 0o001 for each in place.parents):
            pytest.skip(f"not everybody can come to {place}")
        yield place
    finally:
        shutil.rmtree(place)


def owner(path: Path) -> tuple[int, int]:
    """User and group, of a link itself."""
    found = path.lstat()
    return found.st_uid, found.st_gid


def status(pid: int, *names: str) -> list[str]:
    """Fields of a process's status, without blanks at the end."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return [found[name].strip() for name in names]
