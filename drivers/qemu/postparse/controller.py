"""Controllers: a number for each, the order of their numbers, where a companion's ports begin."""

from __future__ import annotations

from embervirt.drivers.qemu.model.controller import ICH9_MASTER_PORTS, Controller, Master
from embervirt.drivers.xml import replace

ICH9 = ("ich9-ehci1", *ICH9_MASTER_PORTS)
"""Models of the controllers of one USB bus."""


def complete(controllers: tuple[Controller, ...]) -> tuple[Controller, ...]:
    """Each numbered within its type, and those of a type in the order of the numbers that the XML gives."""
    done: list[Controller] = []
    for controller in map(_own, controllers):
        done.insert(_place(controller, done), controller)
    return tuple(map(_started, numbered(tuple(done))))


def _own(controller: Controller) -> Controller:
    """Without what its type does not have."""
    ports = controller.ports if controller.type in ("usb", "virtio-serial") else None
    vectors = controller.vectors if controller.type == "virtio-serial" else None
    return replace(controller, ports=ports, vectors=vectors)


def _place(controller: Controller, done: list[Controller]) -> int:
    """Before the first of its type with a higher number; else after the last of its type; else at the end."""
    alike = [place for place, other in enumerate(done) if other.type == controller.type]
    later = [place for place in alike if controller.index is not None and _later(done[place], controller)]
    return later[0] if later else alike[-1] + 1 if alike else len(done)


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
    done: list[Controller] = []
    for controller in controllers:
        if controller.index is None:
            used = [other.index for other in (*controllers, *done) if other.type == controller.type]
            free = next(number for number in range(len(used) + 1) if number not in used)
            bus = _bus_before(controller, done)
            controller = replace(controller, index=free if bus is None else bus)
        done.append(controller)
    return tuple(done)


def _bus_before(controller: Controller, done: list[Controller]) -> int | None:
    """The bus of the USB controller before, if both are of an ich9 set that this one is not in yet."""
    before = [other for other in done if other.type == "usb"]
    if controller.type != "usb" or controller.model not in ICH9 or not before:
        return None
    models = [other.model for other in before if other.index == before[-1].index]
    return None if before[-1].model not in ICH9 or controller.model in models else before[-1].index
