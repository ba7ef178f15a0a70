"""``<features>``: what of the machine is switched on."""

from __future__ import annotations

from embervirt.drivers.xml import (
    Element,
    flag,
)


class Features(Element, tag="features", closed=True):
    acpi: bool = flag("acpi", default=False)
    apic: bool = flag("apic", default=False)
    pae: bool = flag("pae", default=False)
