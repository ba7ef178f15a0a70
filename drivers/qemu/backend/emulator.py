"""Checks of an emulator's file, in libvirt's words, and errors of the host that come while it is started."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from embervirt.drivers.qemu.errors import NoEmulator
from embervirt.errors import SystemError_


def check_emulator(binary: str) -> None:
    """Raises NoEmulator, in libvirt's words, when the file cannot be executed or is not named absolutely."""
    path = Path(binary)
    if not path.is_absolute() or not path.exists():
        raise _no_emulator(f"Cannot check QEMU binary {binary}", errno.ENOENT)
    if path.is_dir():
        raise _no_emulator(f"QEMU binary {binary} is not executable", errno.EISDIR)
    if not os.access(path, os.X_OK):
        raise _no_emulator(f"QEMU binary {binary} is not executable", errno.EACCES)


def _no_emulator(what: str, number: int) -> NoEmulator:
    return NoEmulator(f"{what}: {os.strerror(number)}", int1=number)


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Makes an OSError the SystemError_ that says what could not be done."""
    try:
        yield
    except OSError as error:
        raise SystemError_(f"cannot {what}: {error}", int1=error.errno or -1) from error
