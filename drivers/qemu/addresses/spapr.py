"""Registers of POWER's virtual SCSI controllers, which libvirt gives them on any machine."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Controller
from embervirt.drivers.qemu.model.address import SpaprVioAddress
from embervirt.drivers.xml import replace

FIRST, STEP = 0x2000, 0x1000


def placed(controllers: tuple[Controller, ...]) -> tuple[Controller, ...]:
    """Each with a register that no other has."""
    given = [c.address.reg for c in controllers if isinstance(c.address, SpaprVioAddress)]
    free = (number for number in range(FIRST, 2**32, STEP) if number not in given)
    return tuple(
        replace(each, address=SpaprVioAddress(reg=next(free))) if _homeless(each) else each
        for each in controllers
    )


def _homeless(controller: Controller) -> bool:
    address = controller.address
    none = address is None or (isinstance(address, SpaprVioAddress) and address.reg is None)
    return (controller.type, controller.model) == ("scsi", "ibmvscsi") and none
