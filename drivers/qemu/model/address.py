"""Where a device sits and what it is called: ``<address>`` and ``<alias>``, the same in every device."""

from __future__ import annotations

from embervirt.drivers.xml import Element, Text, attr, choice, on_off
from embervirt.errors import ConfigUnsupported

_NUMBER = Text("0x[0-9a-fA-F]{1,8}|[0-9]{1,9}", "a number, hexadecimal with 0x or decimal")


class Address(Element, tag="address"):
    """``type`` says which of the rest count. Numbers are kept as they were written: ``number`` reads one."""

    type: str = attr(
        "type",
        choice(
            "pci", "drive", "isa", later=("usb", "ccid", "virtio-serial", "spapr-vio", "ccw", "virtio-mmio")
        ),
    )
    domain: str | None = attr("domain", _NUMBER, default=None)
    controller: str | None = attr("controller", _NUMBER, default=None)
    bus: str | None = attr("bus", _NUMBER, default=None)
    target: str | None = attr("target", _NUMBER, default=None)
    unit: str | None = attr("unit", _NUMBER, default=None)
    slot: str | None = attr("slot", _NUMBER, default=None)
    function: str | None = attr("function", _NUMBER, default=None)
    multifunction: bool | None = attr("multifunction", on_off, default=None)
    iobase: str | None = attr("iobase", _NUMBER, default=None)
    irq: str | None = attr("irq", _NUMBER, default=None)


def number(text: str | None) -> int:
    """The value of one of an address's numbers; 0 when it is not given."""
    if text is None:
        return 0
    return int(text, 16) if text.startswith("0x") else int(text)


class Alias(Element, tag="alias"):
    """``name``: the device's id. The user's own begin with ``ua-``; libvirt drops all others on define."""

    name: str = attr(
        "name", Text("[A-Za-z0-9_.-]{1,128}", "letters, digits, '_', '.', '-'", ConfigUnsupported)
    )
