"""The images of a guest's disks as it holds them: the one it sees; those below, which nobody may write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.model import Disk
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.service.running import nonce
from embervirt.drivers.qemu.store import Store
from embervirt.drivers.root.errors import ImageInUse
from embervirt.drivers.root.leases import Lease, carried, image_at
from embervirt.errors import libvirtError

LOCKED = re.compile(
    r'Failed to get (?:shared )?"[^"]*" lock(?:\s+Is another process using the image \[(.*?)\]\?)?'
)
"""What QEMU says when the lock of an image is somebody else's; on its monitor without the image."""


def take(plan: Plan, disks: Iterable[Disk], face: Face, store: Store) -> None:
    """Before QEMU is told of them. Raises ImageInUse naming the guest that has one, SystemError_."""
    mark = nonce(plan.directory(face.paths))
    wanted = [lease for disk in disks for lease in _of(disk, plan, mark)]

    def lives(lease: Lease) -> bool:
        """A run that is known here; of any other, whether there is still a process of it."""
        row = face.tables.running.named(lease.guest)
        starting = lease.guest != plan.domain.name and face.tables.being_started(lease.guest) is not None
        return (row is not None and row.id == lease.run) or starting or carried(lease)

    store.lease(wanted, lives)


def paths(disk: Disk) -> list[str]:
    """Of all its images that are on this host."""
    return [path for path, _ in _images(disk)]


def _images(disk: Disk) -> Iterator[tuple[str, bool]]:
    """Each with whether it is the one that the guest sees."""
    if disk.file:
        yield disk.file, True
    for layer in disk.backing:
        path = layer.source.path(layer.type or "") if layer.source else None
        if path:
            yield path, False


def _of(disk: Disk, plan: Plan, mark: str) -> Iterator[Lease]:
    """What is not there, QEMU says better."""
    for path, top in _images(disk):
        writes, shares = top and not disk.readonly, top and disk.shareable
        with suppress(OSError):
            image = image_at(path)
            yield Lease(image, path, plan.id, plan.domain.name, disk.dev, mark, writes, shares)


@contextmanager
def explained(disks: Iterable[Disk]) -> Iterator[None]:
    """QEMU's refusal of an image that another process has, another root's guest say, as what it is."""
    try:
        yield
    except libvirtError as error:
        found = LOCKED.search(str(error))
        if found is None:
            raise
        which = found[1] or "', '".join(path for disk in disks for path in paths(disk))
        text = f"'{which}' is locked by another process, which is no guest of this root: {found[0]}"
        raise ImageInUse(text) from error
