"""Where a device sits and what it is called: ``<address>``, a class for a type, and ``<alias>``."""

from __future__ import annotations

from typing import TypeVar

from embervirt.drivers.xml import Element, Text, attr, choice, hexadecimal, integer, on_off
from embervirt.errors import ConfigUnsupported, InternalError

A = TypeVar("A", bound="Address")
_NUMBER = integer(0, 2**32 - 1)


class Address(Element, tag="address"):
    """Base of all; ``type`` is the same word in every address of a class."""

    type: str = attr("type")


class PciAddress(Address, tag="address", refuse=("zpci",)):
    """``slot`` 0 of bus 0 is the host bridge: an address of nothing else is none yet (``is_empty``)."""

    type: str = attr("type", choice("pci"), default="pci")
    domain: int = attr("domain", hexadecimal(0xFFFF, 4), default=0)
    bus: int = attr("bus", hexadecimal(0xFF, 2), default=0)
    slot: int = attr("slot", hexadecimal(0x1F, 2), default=0)
    function: int = attr("function", hexadecimal(7), default=0)
    multifunction: bool | None = attr("multifunction", on_off, default=None)

    @property
    def is_empty(self) -> bool:
        """Whether it only says that a PCI address is wanted."""
        return not (self.domain or self.bus or self.slot)


class DriveAddress(Address, tag="address"):
    type: str = attr("type", choice("drive"), default="drive")
    controller: int = attr("controller", _NUMBER, default=0)
    bus: int = attr("bus", _NUMBER, default=0)
    target: int = attr("target", _NUMBER, default=0)
    unit: int = attr("unit", _NUMBER, default=0)


class UsbAddress(Address, tag="address"):
    """``port``: ``1``, or ``1.2`` for the second port of the hub in the first; None is none yet."""

    type: str = attr("type", choice("usb"), default="usb")
    bus: int = attr("bus", _NUMBER, default=0)
    port: str | None = attr(
        "port",
        Text(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}", "up to four numbers with dots between", InternalError),
        default=None,
    )


class VirtioSerialAddress(Address, tag="address"):
    type: str = attr("type", choice("virtio-serial"), default="virtio-serial")
    controller: int = attr("controller", _NUMBER, default=0)
    bus: int = attr("bus", _NUMBER, default=0)
    port: int | None = attr("port", _NUMBER, default=None)


class CcidAddress(Address, tag="address"):
    type: str = attr("type", choice("ccid"), default="ccid")
    controller: int = attr("controller", _NUMBER, default=0)
    slot: int = attr("slot", _NUMBER, default=0)


class IsaAddress(Address, tag="address"):
    type: str = attr("type", choice("isa"), default="isa")
    iobase: int | None = attr("iobase", hexadecimal(0xFFFFFFFF, bare=True), default=None)
    irq: int | None = attr("irq", hexadecimal(0xFFFFFFFF, bare=True), default=None)


class SpaprVioAddress(Address, tag="address"):
    """Of devices of a POWER machine, which libvirt takes on any."""

    type: str = attr("type", choice("spapr-vio"), default="spapr-vio")
    reg: int | None = attr("reg", hexadecimal(0xFFFFFFFF, 8), default=None)


ADDRESSES: dict[str, type[Address]] = {
    "pci": PciAddress,
    "drive": DriveAddress,
    "usb": UsbAddress,
    "virtio-serial": VirtioSerialAddress,
    "ccid": CcidAddress,
    "isa": IsaAddress,
    "spapr-vio": SpaprVioAddress,
}
"""By the word in ``type``."""

LATER = ("ccw", "virtio-mmio", "dimm", "unassigned")
"""libvirt's addresses on other machines, or of other devices."""


class Alias(Element, tag="alias"):
    """``name``: the device's id. The user's own begin with ``ua-``; libvirt drops all others on define."""

    name: str = attr(
        "name", Text("[A-Za-z0-9_.-]{1,128}", "letters, digits, '_', '.', '-'", ConfigUnsupported)
    )
