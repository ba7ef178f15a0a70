"""Disks of a guest that runs: their size, and word when they fill up."""

from __future__ import annotations

from embervirt.drivers.qemu import messages
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU, DomainNotRunning, DomainOperationUnsupported
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.service import blocks
from embervirt.errors import InternalError, InvalidArgument
from embervirt.libvirt.domain.base import Handle
from embervirt.libvirt.flags import only

RESIZE_BYTES = 1
KIB = 1024


class Blocks(Handle):
    """The part of ``virDomain`` about the files behind its disks."""

    def setBlockThreshold(self, dev: str, threshold: int, flags: int = 0) -> int:
        """Tell once, as BLOCK_THRESHOLD, when a disk (``vda``) is written to behind so many bytes."""
        only(flags, 0, "setBlockThreshold")
        node = blocks.find(self._now(), dev)
        if node is None:
            raise InternalError(f"disk '{dev}' has no medium whose writes could be watched")
        self._call(messages.SetThreshold(node.image.storage, threshold))
        return 0

    def blockResize(self, disk: str, size: int, flags: int = 0) -> int:
        """Of a disk, by its target or file; ``size`` is KiB, with BYTES (1) bytes."""
        only(flags, RESIZE_BYTES, "blockResize")
        domain = self._now()
        try:
            node = blocks.find(domain, disk)
        except InvalidArgument:
            text = f"disk '{disk}' was not found in the domain config"
            raise InvalidArgument(text, virdomain=VIR_FROM_QEMU) from None
        if node is None or node.disk.readonly or node.disk.device == "cdrom":
            raise DomainOperationUnsupported(f"can't resize empty or readonly disk '{disk}'")
        self._call(messages.ResizeBlock(node.image.node, size if flags & RESIZE_BYTES else size * KIB))
        return 0

    def _now(self) -> Domain:
        row = self._running()
        if row is None:
            self._known()
            raise DomainNotRunning("domain is not running", virdomain=VIR_FROM_QEMU)
        return row.domain
