"""``<os>``, ``<features>``, ``<cpu>``, ``<clock>``: the machine itself."""

from __future__ import annotations

from embervirt.drivers.xml import (
    Element,
    Text,
    attr,
    child,
    children,
    choice,
    content,
    flag,
    integer,
    on_off,
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


class Features(Element, tag="features", closed=True):
    acpi: bool = flag("acpi", default=False)
    apic: bool = flag("apic", default=False)
    pae: bool = flag("pae", default=False)


class CpuModel(Element, tag="model", refuse=("@vendor_id",)):
    fallback: str | None = attr("fallback", choice("allow", "forbid"), default=None)
    name: str = content(_WORD)


class Topology(Element, tag="topology", refuse=("@clusters",)):
    sockets: int = attr("sockets", _COUNT)
    dies: int | None = attr("dies", _COUNT, default=None)
    cores: int = attr("cores", _COUNT)
    threads: int = attr("threads", _COUNT)


class Cpu(
    Element, tag="cpu", refuse=("vendor", "feature", "cache", "numa", "maxphysaddr", "arch", "signature")
):
    mode: str = attr(
        "mode", choice("custom", "host-passthrough", "maximum", later=("host-model",)), default="custom"
    )
    match: str | None = attr("match", choice("minimum", "exact", "strict"), default=None)
    check: str | None = attr("check", choice("none", "partial", "full"), default=None)
    migratable: bool | None = attr("migratable", on_off, default=None)
    model: CpuModel | None = child(CpuModel, default=None)
    topology: Topology | None = child(Topology, default=None)


class Clock(Element, tag="clock", refuse=("timer", "@timezone", "@adjustment", "@basis", "@start")):
    offset: str = attr(
        "offset",
        choice("utc", "localtime", error=ConfigUnsupported, later=("variable", "timezone", "absolute")),
        default="utc",
    )
