"""Controllers: a number for each, the order of their numbers, where a companion's ports begin."""

from __future__ import annotations

import itertools
from typing import Any

from embervirt.drivers.qemu.model.controller import (
    ICH9_MASTER_PORTS,
    PCI_ROOTS,
    Controller,
    ControllerDriver,
    ControllerTarget,
    Master,
)
from embervirt.drivers.xml import replace
from embervirt.errors import InternalError

ICH9 = ("ich9-ehci1", *ICH9_MASTER_PORTS)
"""Models of the controllers of one USB bus."""

COUNTS = ("queues", "cmd_per_lun", "max_sectors", "iothread")
"""Of a driver."""

MOST = 1 << 13
"""More controllers of a type than PCI has slots for."""


def complete(controllers: tuple[Controller, ...]) -> tuple[Controller, ...]:
    """Each numbered within its type, and those of a type in the order of the numbers that the XML gives.

    The types stand in the order of their first controllers. Raises InternalError for more than fit.
    """
    types: dict[str, list[Controller]] = {}
    highest: dict[str, int] = {}
    for controller in map(_own, controllers):
        alike, number = (
            types.setdefault(controller.type, []),
            -1 if controller.index is None else controller.index,
        )
        last = number > highest.get(controller.type, -1)
        alike.insert(len(alike) if last else _place(controller, alike), controller)
        highest[controller.type] = max(number, highest.get(controller.type, -1))
        if len(alike) > MOST:
            raise InternalError("No more available PCI slots")
    done = itertools.chain.from_iterable(types.values())
    return tuple(map(_started, numbered(tuple(done))))


def _own(controller: Controller) -> Controller:
    """Without what its type does not have."""
    ports = controller.ports if controller.type in ("usb", "virtio-serial") else None
    vectors = controller.vectors if controller.type == "virtio-serial" else None
    if controller.model == "none":
        controller = replace(controller, alias=None, acpi=None, address=None)
    target = controller.target if controller.target != ControllerTarget() else None
    return replace(
        controller,
        ports=ports,
        vectors=vectors,
        target=target,
        driver=_driver(controller.driver),
        pcihole64=controller.pcihole64 if controller.model in PCI_ROOTS else None,
    )


def _driver(driver: ControllerDriver | None) -> ControllerDriver | None:
    """A number of 0 is none."""
    if driver is None:
        return None
    nothing: dict[str, Any] = {name: None for name in COUNTS if not getattr(driver, name)}
    driver = replace(driver, **nothing)
    return driver if driver != ControllerDriver() else None


def _place(controller: Controller, alike: list[Controller]) -> int:
    """Before the first of its type with a higher number, else after the last."""
    if controller.index is None:
        return len(alike)
    later = (place for place, other in enumerate(alike) if _later(other, controller))
    return next(later, len(alike))


def _later(other: Controller, controller: Controller) -> bool:
    """A companion stands behind the controller that it belongs to."""
    if other.index == controller.index:
        return other.companion and not controller.companion
    return (-1 if other.index is None else other.index) > (controller.index or 0)


def _started(controller: Controller) -> Controller:
    if not controller.companion or (controller.master and controller.master.startport is not None):
        return controller
    return replace(controller, master=Master(startport=ICH9_MASTER_PORTS[controller.model or ""]))


def numbered(controllers: tuple[Controller, ...]) -> tuple[Controller, ...]:
    """Each with a number of its own within its type; the ich9 controllers of one USB bus share one."""
    used: dict[str, set[int | None]] = {}
    for controller in controllers:
        used.setdefault(controller.type, set()).add(controller.index)
    free = {
        type_: itertools.filterfalse(taken.__contains__, itertools.count()) for type_, taken in used.items()
    }
    done: list[Controller] = []
    usb: list[Controller] = []
    for controller in controllers:
        if controller.index is None:
            bus = _bus_before(controller, usb)
            controller = replace(controller, index=next(free[controller.type]) if bus is None else bus)
        done.append(controller)
        if controller.type == "usb":
            usb.append(controller)
    return tuple(done)


def _bus_before(controller: Controller, usb: list[Controller]) -> int | None:
    """The bus of the USB controller before, if both are of an ich9 set that this one is not in yet."""
    if controller.type != "usb" or controller.model not in ICH9 or not usb or usb[-1].model not in ICH9:
        return None
    index = usb[-1].index
    models = (other.model for other in reversed(usb) if other.index == index)
    return None if controller.model in models else index
