"""The files a guest is started from: that they are there is asked before QEMU is, in libvirt's words."""

from __future__ import annotations

from pathlib import Path

from embervirt.drivers.qemu.errors import VIR_FROM_SECURITY, VIR_FROM_STORAGE
from embervirt.drivers.qemu.model import Domain
from embervirt.errors import SystemError_


def check(domain: Domain) -> None:
    """Raises SystemError_ (``int1`` the errno) for a disk's image, kernel or initrd that cannot be found."""
    for disk in domain.devices.disks:
        if disk.file is not None:
            _stat(disk.file, "Cannot access storage file '{}'", VIR_FROM_STORAGE)
    for path in (domain.os.kernel, domain.os.initrd):
        if path is not None:
            _stat(path, "unable to stat: {}", VIR_FROM_SECURITY)


def _stat(path: str, words: str, virdomain: int) -> None:
    try:
        Path(path).stat()
    except OSError as error:
        text = f"{words.format(path)}: {error.strerror}"
        raise SystemError_(text, int1=error.errno or -1, virdomain=virdomain) from error
