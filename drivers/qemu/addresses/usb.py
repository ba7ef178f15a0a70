"""USB: a port for each device, and the hubs that make enough of them.

Ports of the controllers are given out before those of hubs, controllers in the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from embervirt.drivers.qemu.addresses.places import Item, Places, items, put
from embervirt.drivers.qemu.addresses.wants import USB_ORDER, Want, want
from embervirt.drivers.qemu.model import Controller, Domain, Hub
from embervirt.drivers.qemu.model.address import UsbAddress
from embervirt.drivers.qemu.model.controller import XHCI
from embervirt.drivers.xml import replace
from embervirt.errors import ConfigUnsupported, InternalError, XmlError, libvirtError

PORTS = {
    **dict.fromkeys(("piix3-uhci", "piix4-uhci", "vt82c686b-uhci"), 2),
    **dict.fromkeys(("ich9-uhci1", "ich9-uhci2", "ich9-uhci3"), 2),
    **dict.fromkeys(("ehci", "ich9-ehci1"), 6),
    **dict.fromkeys(("nec-xhci", "qemu-xhci"), 4),
    "pci-ohci": 3,
}
"""Ports of a controller that the XML gives no number for. Source: QEMU's devices."""

DISABLED = {
    "hubs": "Can't add USB hub: USB is disabled for this domain",
    "inputs": "Can't add USB input device. USB bus is disabled",
    "redirdevs": "Can't add redirected USB device: USB is disabled for this domain",
}
PRESENT = "USB is disabled for this domain, but USB devices are present in the domain XML"
"""What is said of devices when the only USB controller has the model ``none``."""

WRONG: dict[str, type[libvirtError]] = {"disks": InternalError, "serials": ConfigUnsupported}
"""What an address of another kind raises, where it is no XmlError."""

HUB_PORTS = 8
DEEPEST = 4
"""Levels of ports, as in ``1.2.3.4``."""

Path = tuple[int, ...]


@dataclass
class _Hub:
    """A controller or a hub: its ports, and what is in them: a hub, or None for any other device."""

    ports: int
    used: dict[int, _Hub | None] = field(default_factory=dict)

    def free(self, depth: int = 1) -> Path | None:
        """The first free port, this hub's own before those of the hubs in it."""
        for port in range(1, self.ports + 1):
            if port not in self.used:
                return (port,)
        for port, behind in sorted(self.used.items()) if depth < DEEPEST else ():
            deeper = behind.free(depth + 1) if behind else None
            if deeper:
                return (port, *deeper)
        return None


def assign(domain: Domain) -> Domain:
    """With a port for each USB device. Raises XmlError, InternalError, ConfigUnsupported."""
    devices = list(_devices(domain))
    buses = _buses(domain)
    if not devices:
        return domain
    if not buses or any(each.model == "none" for each in domain.devices.controllers):
        raise ConfigUnsupported(DISABLED.get(devices[0][0][0], PRESENT))
    places: Places = {item: _keep(buses, item, device.address) for item, device in devices if _given(device)}
    more = [Hub(type="usb")] * _hubs_missing(buses, devices)
    domain = replace(domain, devices=replace(domain.devices, hubs=(*domain.devices.hubs, *more)))
    for item, device in _devices(domain):
        if item not in places:
            places[item] = _free(buses, item, device.address)
    return put(domain, places)


def _devices(domain: Domain) -> Iterator[tuple[Item, Any]]:
    lists = domain.devices.present
    for name in USB_ORDER:
        for item, device in items(lists, name) if name in lists else ():
            if want(name, device) is Want.USB:
                if device.address is None or isinstance(device.address, UsbAddress):
                    yield item, device
                elif not isinstance(device, Controller):
                    kind = device.address.type
                    raise WRONG.get(name, XmlError)(f"Invalid address for a USB device: type '{kind}'")


def _given(device: Any) -> bool:
    return isinstance(device.address, UsbAddress) and bool(_path(device.address))


def _path(address: UsbAddress) -> Path:
    """The ports as numbers; empty when there is none yet, which 0 says too."""
    ports = tuple(map(int, (address.port or "0").split(".")))
    return ports if ports[0] else ()


def _buses(domain: Domain) -> dict[int, _Hub]:
    found: dict[int, _Hub] = {}
    for controller in domain.devices.controllers:
        if controller.type == "usb" and controller.model != "none":
            ports = _ports(controller)
            hub = found.setdefault(controller.index or 0, _Hub(ports))
            hub.ports = max(hub.ports, ports)
    return dict(sorted(found.items()))


def _ports(controller: Controller) -> int:
    model = controller.model or "piix3-uhci"
    return PORTS[model] if controller.ports is None or model not in XHCI else controller.ports


def _bus(buses: dict[int, _Hub], number: int) -> _Hub:
    if number not in buses:
        raise XmlError(f"USB bus {number} requested but no controller with that index is present")
    return buses[number]


def _keep(buses: dict[int, _Hub], item: Item, address: UsbAddress) -> UsbAddress:
    """Take the port that the XML gives."""
    hub, path = _bus(buses, address.bus), _path(address)
    shown = f"USB address bus: {address.bus} port: {address.port}"
    for level, port in enumerate(path):
        if port > hub.ports or not port:
            raise XmlError(f"requested USB port {address.port} not present on USB bus {address.bus}")
        if level == len(path) - 1:
            break
        behind = hub.used.get(port)
        if behind is None:
            raise XmlError(f"there is no hub at port {port} in {shown}")
        hub = behind
    if path[-1] in hub.used:
        raise XmlError(f"Duplicate USB address bus {address.bus} port {address.port}")
    hub.used[path[-1]] = _Hub(HUB_PORTS) if item[0] == "hubs" else None
    return address


def _hubs_missing(buses: dict[int, _Hub], devices: list[tuple[Item, Any]]) -> int:
    """A hub takes a port and gives eight. When one is missing, libvirt makes room for one device more."""
    hubs = sum(item[0] == "hubs" for item, _ in devices)
    ports = sum(hub.ports for hub in buses.values()) + HUB_PORTS * hubs
    missing = len(devices) - ports
    return -(-(missing + 1) // (HUB_PORTS - 1)) if missing > 0 else 0


def _free(buses: dict[int, _Hub], item: Item, address: UsbAddress | None) -> UsbAddress:
    """The first free port, of the bus that the address names if it names one."""
    wanted = address if isinstance(address, UsbAddress) else None
    for number, hub in buses.items():
        path = hub.free() if wanted is None or wanted.bus == number else None
        if path:
            port = ".".join(map(str, path))
            return _keep(buses, item, UsbAddress(bus=number, port=port))
    if wanted is not None:
        _bus(buses, wanted.bus)
    raise InternalError("No free USB ports")
