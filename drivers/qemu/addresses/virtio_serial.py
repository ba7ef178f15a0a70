"""Ports of virtio-serial controllers, and the controllers for them. Port 0 is a console's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from embervirt.drivers.qemu.addresses.places import Item, Places, items, put
from embervirt.drivers.qemu.model import Controller, Domain
from embervirt.drivers.qemu.model.address import VirtioSerialAddress
from embervirt.drivers.xml import replace
from embervirt.errors import XmlError

TYPE = "virtio-serial"
PORTS = 31
"""Of a controller that says nothing of them. Source: QEMU's ``max_ports``."""

FULL = -1
"""In place of a port: nobody need look at that controller again."""

Taken = set[tuple[int, int]]


def controllers(domain: Domain) -> Domain:
    """With the controllers that channels, then consoles name; number 0 for those that name none."""
    found = list(domain.devices.controllers)
    have = {controller.index for controller in found if controller.type == TYPE}
    for _, device in sorted(_devices(domain), key=lambda found: found[0][0]):
        index = device.address.controller if isinstance(device.address, VirtioSerialAddress) else 0
        if index not in have:
            have.add(index)
            found.append(Controller(type=TYPE, index=index))
    return replace(domain, devices=replace(domain.devices, controllers=tuple(found)))


def assign(domain: Domain) -> Domain:
    """With a port for each channel; a console that gives no address has none. Raises XmlError.

    One that gives a controller is its port 0, and libvirt counts another port for it all the same, of the
    first controller whichever that one is.
    """
    ports = {c.index or 0: _ports(c) for c in domain.devices.controllers if c.type == TYPE}
    devices = list(_devices(domain))
    taken: Taken = set()
    for _, device in devices:
        if isinstance(device.address, VirtioSerialAddress) and device.address.port:
            _keep(device.address, ports, taken)
    places: Places = {}
    for item, device in devices:
        address = device.address if isinstance(device.address, VirtioSerialAddress) else None
        if address and not address.port and item[0] == "consoles":
            places[item] = replace(address, port=0)
            _free(VirtioSerialAddress() if 0 in ports else address, ports, taken)
        elif item[0] == "channels" and not (address and address.port):
            places[item] = _free(address, ports, taken)
    added = set(ports) - {c.index for c in domain.devices.controllers if c.type == TYPE}
    new = [Controller(type=TYPE, index=index) for index in sorted(added)]
    devices_ = replace(domain.devices, controllers=(*domain.devices.controllers, *new))
    return put(replace(domain, devices=devices_), places)


def _ports(controller: Controller) -> int:
    return PORTS if controller.ports is None else controller.ports


def _devices(domain: Domain) -> Iterator[tuple[Item, Any]]:
    lists = domain.devices.present
    for name in ("consoles", "channels"):
        for item, device in items(lists, name):
            if device.target is not None and device.target.type == "virtio":
                yield item, device


def _keep(address: VirtioSerialAddress, ports: dict[int, int], taken: Taken) -> None:
    where = (address.controller, address.port or 0)
    if address.port is not None and address.port >= ports[address.controller]:
        most = ports[address.controller] - 1
        raise XmlError(
            f"virtio serial controller {where[0]} does not have port {address.port}; the highest is {most}"
        )
    if where in taken:
        raise XmlError(f"virtio serial port {address.port} on controller {where[0]} is already occupied")
    taken.add(where)


def _free(wanted: VirtioSerialAddress | None, ports: dict[int, int], taken: Taken) -> VirtioSerialAddress:
    """The first free port, on the controller that is asked for; a new controller when all are full."""
    for controller in sorted(ports) if wanted is None else [wanted.controller]:
        if (controller, FULL) in taken:
            continue
        for port in range(1, ports.get(controller, 0)):
            if (controller, port) not in taken:
                taken.add((controller, port))
                return VirtioSerialAddress(controller=controller, port=port)
        taken.add((controller, FULL))
    if wanted is not None:
        raise XmlError(f"Unable to find a free port on virtio-serial controller {wanted.controller}")
    ports[next(number for number in range(len(ports) + 1) if number not in ports)] = PORTS
    return _free(None, ports, taken)
