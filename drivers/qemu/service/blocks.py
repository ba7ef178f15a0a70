"""Block nodes of a guest that runs by QEMU's names for them, and what libvirt calls what each belongs to."""

from __future__ import annotations

from typing import NamedTuple

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Disk, Domain
from embervirt.drivers.qemu.parts.disk_source import Image, chain
from embervirt.errors import InvalidArgument


class Node(NamedTuple):
    """One image of a disk's chain; ``top``: the one that the guest sees."""

    disk: Disk
    image: Image
    top: bool

    @property
    def number(self) -> int:
        """What is in the names of both its nodes: ``libvirt-3-storage``, ``libvirt-3-format``."""
        return int(self.image.number)

    @property
    def path(self) -> str:
        """Of its file or device on the host; of a server's, what that calls it."""
        source = self.image.source
        return source.path(self.image.type) or source.name or ""

    @property
    def names(self) -> tuple[str, ...]:
        """The disk's target, which is the top image, and with the number in brackets: ``vda``, ``vda[3]``."""
        numbered = f"{self.disk.dev}[{self.image.number}]"
        return (self.disk.dev, numbered) if self.top else (numbered,)


def nodes(disk: Disk) -> list[Node]:
    """Of a disk, the image that the guest sees first; none of an empty drive."""
    return [Node(disk, image, place == 0) for place, image in enumerate(chain(disk))]


def _all(domain: Domain) -> list[Node]:
    return [node for disk in domain.devices.disks for node in nodes(disk)]


def named(domain: Domain, name: str) -> Node | None:
    """The one with this node name."""
    return next((node for node in _all(domain) if name in (node.image.storage, node.image.node)), None)


def find(domain: Domain, dev: str) -> Node | None:
    """By target, target with number in brackets, or file; None for a drive that is empty.

    Raises InvalidArgument when no disk is called so.
    """
    for node in _all(domain):
        if dev in node.names or (node.top and node.path and dev == node.path):
            return node
    if any(disk.dev == dev for disk in domain.devices.disks):
        return None
    raise InvalidArgument(f"failed to find disk '{dev}'", virdomain=VIR_FROM_QEMU)
