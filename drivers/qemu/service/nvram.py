"""A guest's file for the variables of its firmware: made from a template before its first start."""

from __future__ import annotations

from pathlib import Path

from embervirt.drivers import images
from embervirt.drivers.qemu import firmware
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.root import files
from embervirt.drivers.root.files import Fence
from embervirt.errors import OperationFailed, SystemError_

LARGEST = 64 << 20
"""Bytes of a template; those of firmware have less than one MiB."""


def file_of(domain: Domain) -> Path | None:
    """The file with the domain's variables; None when they are elsewhere, and for none."""
    nvram = domain.os.nvram
    if nvram is None or not nvram.path or nvram.type == "block":
        return None
    return Path(nvram.path)


def provide(domain: Domain, fence: Fence, reset: bool = False) -> bool:
    """Make the file if it is not there, or anew with ``reset``; at once or not at all. Whether it did.

    Raises OperationFailed when no template is known, SystemError_ for a template that cannot be read, Fenced.
    """
    loader, nvram, path = domain.os.loader, domain.os.nvram, file_of(domain)
    if loader is None or nvram is None or path is None or (path.exists() and not reset):
        return False
    template = nvram.template or firmware.template_of(loader.path)
    if template is None:
        text = f"unable to find any master var store for loader: {loader.path}"
        raise OperationFailed(text, virdomain=VIR_FROM_QEMU)
    try:
        with images.open_data(template) as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        text = f"Failed to open file '{template}': {error.strerror}"
        raise SystemError_(text, int1=error.errno or -1, virdomain=VIR_FROM_QEMU) from error
    if len(content) > LARGEST:
        text = f"template '{template}' is no firmware's: it has more than {LARGEST} bytes"
        raise OperationFailed(text, virdomain=VIR_FROM_QEMU)
    files.make_directories([path.parent])
    files.write(path, content, durable=True, fence=fence)
    return True
