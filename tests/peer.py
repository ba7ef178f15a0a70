"""The libvirt that is installed here, for tests that ask it the same as ours."""

from __future__ import annotations

import pwd
import subprocess
from pathlib import Path

PYTHON = "/usr/bin/python3"
"""Debian's, for its libvirt-python; ours has another module of that name."""


def lacks(*, qemu: bool = False) -> str:
    """Why it cannot be asked, or its QEMU driver cannot; empty when it can."""
    probe = [PYTHON, "-c", "import libvirt"]
    if not Path(PYTHON).exists() or subprocess.run(probe, capture_output=True, check=False).returncode:
        return "needs Debian's python3-libvirt"
    if qemu and "libvirt-qemu" not in {each.pw_name for each in pwd.getpwall()}:
        return "libvirt's QEMU driver needs a user that comes with libvirt-daemon-system"
    return ""
