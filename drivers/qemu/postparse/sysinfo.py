"""SMBIOS and fw_cfg: only what there is a name for, and what has a value."""

from __future__ import annotations

from embervirt.drivers.qemu.model.sysinfo import (
    BIOS,
    BOARD,
    CHASSIS,
    SYSTEM,
    Entry,
    Named,
    OemStrings,
    SysInfo,
    Table,
)
from embervirt.drivers.xml import replace, uuid


def complete(infos: tuple[SysInfo, ...]) -> tuple[SysInfo, ...]:
    """Each without what libvirt does not keep."""
    return tuple(map(_complete, infos))


def _complete(info: SysInfo) -> SysInfo:
    if info.type == "fwcfg":
        return replace(info, blobs=tuple(map(_blob, info.blobs)))
    boards = (_table(each, BOARD) for each in info.base_boards)
    return replace(
        info,
        bios=_table(info.bios, BIOS),
        system=_table(info.system, SYSTEM),
        base_boards=tuple(each for each in boards if each),
        chassis=_table(info.chassis, CHASSIS),
        oem_strings=None if info.oem_strings == OemStrings() else info.oem_strings,
    )


def _blob(blob: Entry) -> Entry:
    """A file is instead of a value."""
    return blob if blob.file is None else replace(blob, value="")


def _table(table: Table | None, names: tuple[str, ...]) -> Table | None:
    """The first value of each name; None when none is left."""
    given = {name: table.get(name) for name in names} if table else {}
    entries = tuple(Named(name=name, value=_plain(name, value)) for name, value in given.items() if value)
    return Table(entries=entries) if entries else None


def _plain(name: str, value: str) -> str:
    """A UUID as libvirt writes it; what is none is left to ``validate``."""
    if name != "uuid":
        return value
    try:
        return uuid.decode(value)
    except ValueError:
        return value
