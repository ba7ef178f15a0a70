"""What the guest's ``report`` says of a device, compared with what the XML says of it.

A ``Sight`` is a device's XML and patterns of lines of the report. In a pattern ``{at}`` stands for the place
in sysfs that follows from the device's address, ``{mac}`` for its MAC; they come from the live XML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

PREFIX = "ua-"
"""Of aliases that a user gives."""

ROOTS = ("pci-root", "pcie-root")


@dataclass(frozen=True)
class Sight:
    """``says``: regular expressions, each of which a whole line of the report fits."""

    xml: str
    says: tuple[str, ...]

    def named(self, name: str) -> str:
        """The XML, findable by that name."""
        element = ElementTree.fromstring(self.xml)
        element.append(ElementTree.Element("alias", name=PREFIX + name))
        return ElementTree.tostring(element, "unicode")


def sight(xml: str, *says: str) -> Sight:
    """A row of a table."""
    return Sight(xml, says)


def missing(sight_: Sight, name: str, devices: ElementTree.Element, report: str) -> list[str]:
    """The patterns that no line of the report fits; empty when the guest sees the device."""
    device = next(each for each in devices if each.find(f"alias[@name='{PREFIX}{name}']") is not None)
    mac = device.find("mac")
    known = {"at": place(device, devices), "mac": "" if mac is None else mac.get("address", "")}
    patterns = [_filled(pattern, known) for pattern in sight_.says]
    return [each for each in patterns if not fitting(each, report)]


def fitting(pattern: str, report: str) -> list[str]:
    """The lines that it fits as a whole."""
    return [line for line in report.splitlines() if re.fullmatch(pattern, line)]


def _filled(pattern: str, known: dict[str, str]) -> str:
    for name, value in known.items():
        pattern = pattern.replace("{" + name + "}", value)
    return pattern


def place(device: ElementTree.Element, devices: ElementTree.Element) -> str:
    """A pattern of the place of a device in sysfs, below /sys/devices; empty when its address tells none."""
    address = device.find("address")
    kind = "" if address is None else address.get("type", "")
    known = {"pci": _pci, "usb": _usb, "drive": _drive, "virtio-serial": _port}
    return known[kind](address, device, devices) if address is not None and kind in known else ""


def _number(element: ElementTree.Element, name: str) -> int:
    return int(element.get(name, "0"), 0)


def _controller(kind: str, index: int, devices: ElementTree.Element) -> list[ElementTree.Element]:
    return devices.findall(f"controller[@type='{kind}'][@index='{index}']")


def _pci(address: ElementTree.Element, _device: ElementTree.Element, devices: ElementTree.Element) -> str:
    """The way from the root: the numbers of the buses below it are the firmware's own affair."""
    (bus,) = _controller("pci", _number(address, "bus"), devices)
    own = f"0000:[0-9a-f]{{2}}:{_number(address, 'slot'):02x}\\.{_number(address, 'function')}"
    return f"{_bus(bus, devices)}/{own}"


def _bus(bus: ElementTree.Element, devices: ElementTree.Element) -> str:
    model = bus.get("model", "")
    if model in ROOTS:
        return "pci0000:00"
    if not model.endswith("expander-bus"):
        return place(bus, devices)
    target = bus.find("target")
    root = f"pci0000:{_number(target, 'busNr'):02x}" if target is not None else ""
    return root if model.startswith("pcie") else f"{root}/0000:[0-9a-f]{{2}}:00\\.0"  # QEMU's bridge on it


def _usb(address: ElementTree.Element, _device: ElementTree.Element, devices: ElementTree.Element) -> str:
    ports = address.get("port", "").split(".")
    way = "/".join(f"\\d+-{'.'.join(ports[: count + 1])}" for count in range(len(ports)))
    found = [place(each, devices) for each in _controller("usb", _number(address, "bus"), devices)]
    if len(found) > 1:  # EHCI and its companions: which one has the device depends on its speed
        way = "\\d+-\\d+"
    return f"(?:{'|'.join(found)})/usb\\d+/{way}"


def _drive(address: ElementTree.Element, device: ElementTree.Element, devices: ElementTree.Element) -> str:
    """``type`` as in sysfs: the controller, then for SCSI bus, target and unit."""
    target = device.find("target")
    bus, unit = _number(address, "bus"), _number(address, "unit")
    kind = "" if target is None else target.get("bus", "")
    if kind == "fdc":
        return f"platform/floppy\\.{unit}"
    (controller,) = _controller(kind, _number(address, "controller"), devices)
    model = controller.get("model", "")
    scsi = (bus, _number(address, "target"), unit)
    numbers = {"ide": (0, unit, 0), "sata": (0, 0, 0)}.get(kind, scsi)
    if model in ("lsilogic", "am53c974", "dc390"):
        numbers = (0, unit, 0)
    of_target = f"target\\d+:{numbers[0]}:{numbers[1]}/\\d+:{':'.join(map(str, numbers))}"
    return f"{place(controller, devices)}/.*{of_target}"


def _port(address: ElementTree.Element, _device: ElementTree.Element, devices: ElementTree.Element) -> str:
    (controller,) = _controller("virtio-serial", _number(address, "controller"), devices)
    return f"{place(controller, devices)}/virtio\\d+/virtio-ports/vport\\d+p{_number(address, 'port')}"
