"""Where the test guest's files are and what it says (``init``, beside this file, has all of it).

Tests write ``from guest.image import CMDLINE, INITRD, KERNEL, READY, ensure`` and call ``ensure()``
in a fixture; programs outside ``tests/`` use the two paths after ``make guest``.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_FOLDER = _HERE.parents[1] / ".cache" / "guest"

KERNEL = _FOLDER / "vmlinuz"
INITRD = _FOLDER / "initrd"

DISK = _FOLDER / "disk.img"
"""A raw disk image with a boot loader that starts them, with the same command line."""

FULL_KERNEL = _FOLDER / "full" / "vmlinuz"
FULL_INITRD = _FOLDER / "full" / "initrd"
"""Of a kernel with a driver for every device, whose boot takes longer; ``report`` tells what it sees."""

CMDLINE = "console=ttyS0 quiet cryptomgr.notests"
"""``quiet``: the serial port is slow under TCG. The crypto self-tests cost 0.3 s of a boot of 2 s."""

READY = "EMBERVIRT-GUEST READY"
"""The line after which it obeys ACPI power-off and prints ``uptime SECONDS tick N`` each second."""


def ensure() -> None:
    """Builds the files if they are missing or out of date; else takes about 15 ms.

    Raises subprocess.CalledProcessError when the build fails; its own message is on stderr.
    """
    subprocess.run([_HERE / "build"], check=True)


def ensure_full() -> None:
    """The same for the kernel with all drivers; for tests of devices."""
    subprocess.run([_HERE / "build", "--full"], check=True)
