"""``<os>``: the machine type and what it boots."""

from __future__ import annotations

from embervirt.drivers.xml import (
    Element,
    Text,
    attr,
    child,
    children,
    choice,
    content,
    integer,
    text,
)
from embervirt.errors import ConfigUnsupported

_WORD = Text("[A-Za-z0-9_.-]{1,80}", "letters, digits, '_', '.', '-'", ConfigUnsupported)
_COUNT = integer(1, 2**31 - 1)


class OsType(Element, tag="type"):
    arch: str | None = attr("arch", _WORD, default=None)
    machine: str | None = attr("machine", _WORD, default=None)
    kind: str = content(choice("hvm", error=ConfigUnsupported))


class Boot(Element, tag="boot"):
    dev: str = attr("dev", choice("hd", "cdrom", "network", later=("fd",)))


class Os(
    Element,
    tag="os",
    refuse=(
        *("@firmware", "firmware", "loader", "nvram", "bootmenu", "smbios", "bios", "dtb", "acpi"),
        *("init", "initarg", "initenv", "initdir", "inituser", "initgroup", "idmap"),
    ),
):
    type: OsType = child(OsType)
    kernel: str | None = text("kernel", default=None)
    initrd: str | None = text("initrd", default=None)
    cmdline: str | None = text("cmdline", default=None)
    boots: tuple[Boot, ...] = children(Boot, default=())
