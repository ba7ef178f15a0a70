"""Disks on IDE, SATA, SCSI and floppy controllers: the place that a disk's name stands for."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Controller, Disk
from embervirt.drivers.qemu.model.address import DriveAddress
from embervirt.drivers.qemu.postparse.controller import MOST
from embervirt.drivers.qemu.postparse.disk import disk_index
from embervirt.drivers.xml import replace
from embervirt.errors import InternalError

PLACES = {"scsi": 7, "fdc": 2, "ide": 4, "sata": 6}
"""Disks on a controller of each kind; the order in which controllers for them are added.

Seven on any SCSI controller, for the eighth target of a narrow bus is the controller itself.
"""

SINGLE = {"ide": "IDE", "fdc": "fdc"}
"""Kinds of controller that a machine has at most one of, as messages call them."""

_ON_IDE_CHANNEL = 2

LSILOGIC = (None, "lsilogic")
"""Of a SCSI controller; one that nobody named is one, too."""

NARROW = (*LSILOGIC, "am53c974", "dc390")
"""Models of SCSI controllers that count targets only."""


def placed(disk: Disk) -> Disk:
    """The disk at its place."""
    address = disk.address or _drive(disk)
    return disk if address is disk.address else replace(disk, address=address)


def narrow(disk: Disk, controllers: tuple[Controller, ...]) -> bool:
    """Whether a SCSI disk is on a narrow bus: its unit is the target."""
    return _model(disk, controllers) in NARROW


def on_lsilogic(disk: Disk, controllers: tuple[Controller, ...]) -> bool:
    """Whether a SCSI disk is on a controller of the usual model, where its target is always 0."""
    return _model(disk, controllers) in LSILOGIC


def _model(disk: Disk, controllers: tuple[Controller, ...]) -> str | None:
    index = disk.address.controller if isinstance(disk.address, DriveAddress) else 0
    models = (each.model for each in controllers if (each.type, each.index) == ("scsi", index))
    return next(models, None)


def _drive(disk: Disk) -> DriveAddress | None:
    places, index = PLACES.get(disk.bus or ""), disk_index(disk.dev)
    if places is None or index is None:
        return None
    controller, place = divmod(index, places)
    bus, unit = divmod(place, _ON_IDE_CHANNEL) if disk.bus == "ide" else (0, place)
    return DriveAddress(controller=controller, bus=bus, unit=unit)


def controllers(
    controllers: tuple[Controller, ...], disks: tuple[Disk, ...], *, live: bool = False
) -> tuple[Controller, ...]:
    """With the controllers that the disks need, and those of lower numbers.

    ``live``: a running guest gets SCSI controllers like its first.
    Raises InternalError for a second one of a kind that machines have one of, and for more than fit.
    """
    done = list(controllers)
    first = next((each.model for each in controllers if live and each.type == "scsi"), None)
    for type_ in PLACES:
        used = [
            disk.address.controller
            for disk in disks
            if disk.bus == type_ and isinstance(disk.address, DriveAddress)
        ]
        if type_ in SINGLE and max(used, default=0):
            raise InternalError(f"Only 1 {SINGLE[type_]} controller is supported")
        if max(used, default=0) >= MOST:
            raise InternalError("No more available PCI slots")
        have = {controller.index for controller in controllers if controller.type == type_}
        missing = [index for index in range(max(used, default=-1) + 1) if index not in have]
        like = first if type_ == "scsi" else None
        done += [Controller(type=type_, index=index, model=like) for index in missing]
    return tuple(done)
