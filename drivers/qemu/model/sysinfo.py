"""``<sysinfo>``: what the guest reads in SMBIOS, and blobs of fw_cfg."""

from __future__ import annotations

from embervirt.drivers.xml import Element, attr, child, children, choice, content

BIOS = ("vendor", "version", "date", "release")
SYSTEM = ("manufacturer", "product", "version", "serial", "uuid", "sku", "family")
BOARD = ("manufacturer", "product", "version", "serial", "asset", "location")
CHASSIS = ("manufacturer", "version", "serial", "asset", "sku")
"""What each structure can have, by names that QEMU and libvirt share."""


class Entry(Element, tag="entry"):
    """``file`` only in fw_cfg; ``name`` empty only in oemStrings."""

    name: str = attr("name", default="")
    file: str | None = attr("file", default=None)
    value: str = content(default="")


class Named(Element, tag="entry"):
    name: str = attr("name", default="")
    value: str = content(default="")


class _OemString(Element, tag="entry"):
    value: str = content(default="")


class Table(Element, tag="table"):
    """One SMBIOS structure, as names and values."""

    entries: tuple[Named, ...] = children(Named, default=())

    def get(self, name: str) -> str | None:
        """The first entry of that name."""
        return next((each.value for each in self.entries if each.name == name), None)


class OemStrings(Element, tag="oemStrings"):
    entries: tuple[_OemString, ...] = children(_OemString, default=())


class SysInfo(Element, tag="sysinfo"):
    type: str = attr("type", choice("smbios", "fwcfg"))
    bios: Table | None = child(Table, "bios", default=None)
    system: Table | None = child(Table, "system", default=None)
    base_boards: tuple[Table, ...] = children(Table, "baseBoard", default=())
    chassis: Table | None = child(Table, "chassis", default=None)
    oem_strings: OemStrings | None = child(OemStrings, "oemStrings", default=None)
    blobs: tuple[Entry, ...] = children(Entry, default=())
