"""What the guest reads in SMBIOS and in fw_cfg, its generation id, and the device for its crash dumps."""

from __future__ import annotations

from collections.abc import Iterator

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.sysinfo import BIOS, BOARD, CHASSIS, SYSTEM, SysInfo, Table
from embervirt.drivers.qemu.parts.part import Device, Option, Part
from embervirt.drivers.qemu.parts.render import escaped
from embervirt.errors import ConfigUnsupported, XmlError

WITH_MAKER = (2, 3)
"""Structures that have a manufacturer always, if only an empty one."""


def parts(domain: Domain) -> Iterator[Part]:
    """``-smbios`` of the XML's tables, when it asks for them, and ``-fw_cfg`` of its blobs."""
    if domain.os.smbios and domain.os.smbios.mode == "sysinfo":
        tables = next((each for each in domain.sysinfos if each.type == "smbios"), None)
        if tables is None:
            raise XmlError(f"Domain '{domain.name}' sysinfo are not available")
        yield from _smbios(tables)
    for sysinfo in domain.sysinfos:
        for blob in sysinfo.blobs if sysinfo.type == "fwcfg" else ():
            value = f"file={escaped(blob.file)}" if blob.file else f"string={escaped(blob.value)}"
            yield Option("fw_cfg", f"name={escaped(blob.name)},{value}")


def _smbios(tables: SysInfo) -> Iterator[Part]:
    if len(tables.base_boards) > 1:
        raise ConfigUnsupported("qemu does not support more than one entry to Type 2 in SMBIOS table")
    board = tables.base_boards[0] if tables.base_boards else None
    known = ((tables.bios, BIOS), (tables.system, SYSTEM), (board, BOARD), (tables.chassis, CHASSIS))
    for number, (table, names) in enumerate(known):
        given = _pairs(table, names) if table else ""
        if given and number in WITH_MAKER and table and table.get("manufacturer") is None:
            given = f",manufacturer={given}"
        if given:
            yield Option("smbios", f"type={number}{given}")
    if tables.oem_strings and tables.oem_strings.entries:
        values = "".join(f",value={escaped(entry.value)}" for entry in tables.oem_strings.entries)
        yield Option("smbios", f"type=11{values}")


def _pairs(table: Table, names: tuple[str, ...]) -> str:
    values = {name: table.get(name) for name in names}
    return "".join(f",{name}={escaped(value)}" for name, value in values.items() if value is not None)


def devices(domain: Domain) -> Iterator[Part]:
    """Those that only ``<genid>`` and ``<vmcoreinfo>`` speak of."""
    if domain.genid:
        yield Device("vmgenid", "vmgenid0", {"guid": domain.genid.value})
    if domain.features and domain.features.vmcoreinfo and domain.features.vmcoreinfo.state:
        yield Device("vmcoreinfo")
