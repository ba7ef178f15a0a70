"""``<os>``: the machine type, its firmware and what it boots."""

from __future__ import annotations

from embervirt.drivers.qemu.model.disk_source import DiskSource
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
    yes_no,
)
from embervirt.errors import ConfigUnsupported

_WORD = Text("[A-Za-z0-9_.-]{1,80}", "letters, digits, '_', '.', '-'", ConfigUnsupported)
_RAW = choice("raw", later=("qcow2",))


class OsType(Element, tag="type"):
    arch: str | None = attr("arch", _WORD, default=None)
    machine: str | None = attr("machine", _WORD, default=None)
    kind: str = content(choice("hvm", error=ConfigUnsupported))


class Boot(Element, tag="boot"):
    dev: str = attr("dev", choice("fd", "hd", "cdrom", "network"))


class BootMenu(Element, tag="bootmenu"):
    """``timeout`` is in milliseconds, and counts only for a menu that is shown."""

    enable: bool | None = attr("enable", yes_no, default=None)
    timeout: int | None = attr("timeout", integer(0, 2**32 - 1), default=None)


class Bios(Element, tag="bios"):
    """``reboot_timeout``: milliseconds until the firmware starts over when nothing boots; -1 is never."""

    use_serial: bool | None = attr("useserial", yes_no, default=None)
    reboot_timeout: int | None = attr("rebootTimeout", integer(-(2**31), 2**31 - 1), default=None)


class Smbios(Element, tag="smbios"):
    mode: str | None = attr(
        "mode", choice("emulate", "host", "sysinfo", error=ConfigUnsupported), default=None
    )


class AcpiTable(Element, tag="table"):
    type: str = attr("type", choice("slic"))
    path: str = content(default="")


class Acpi(Element, tag="acpi"):
    table: AcpiTable | None = child(AcpiTable, default=None)


class FirmwareFeature(Element, tag="feature"):
    enabled: bool = attr("enabled", yes_no)
    name: str = attr("name", choice("enrolled-keys", "secure-boot"))


class Firmware(Element, tag="firmware"):
    """What an automatically chosen firmware must have."""

    features: tuple[FirmwareFeature, ...] = children(FirmwareFeature, default=())

    def wants(self, name: str) -> bool | None:
        """Whether the feature must be there; None when nobody said."""
        return next((each.enabled for each in self.features if each.name == name), None)


class Loader(Element, tag="loader"):
    """The firmware itself; ``path`` is empty when it is chosen automatically."""

    readonly: bool | None = attr("readonly", yes_no, default=None)
    secure: bool | None = attr("secure", yes_no, default=None)
    type: str | None = attr("type", choice("rom", "pflash"), default=None)
    stateless: bool | None = attr("stateless", yes_no, default=None)
    format: str | None = attr("format", _RAW, default=None)
    path: str = content(default="")


class Nvram(Element, tag="nvram"):
    """The firmware's variables, the guest's own; a file is made from ``template`` when it is not there.

    Where they are is either its text or, with ``type``, its ``source``.
    """

    template: str | None = attr("template", default=None)
    type: str | None = attr(
        "type", choice("file", "block", "network", later=("dir", "volume", "nvme", "vhostuser")), default=None
    )
    format: str | None = attr("format", _RAW, default=None)
    source: DiskSource | None = child(DiskSource, default=None)
    text: str = content(Text(r"\S(?s:.*\S)?", "a path without blanks around it"), default="")

    @property
    def path(self) -> str:
        """The file or block device of this host; empty when nobody said, and for a server's."""
        if self.source is None:
            return self.text
        return self.source.path(self.type or "file") or ""

    @property
    def is_somewhere(self) -> bool:
        """Whether it says where the variables are."""
        return bool(self.path) or (self.source is not None and not self.source.is_empty(self.type or "file"))


class Os(
    Element,
    tag="os",
    refuse=("init", "initarg", "initenv", "initdir", "inituser", "initgroup", "idmap"),
):
    firmware_kind: str | None = attr("firmware", choice("bios", "efi"), default=None)
    type: OsType = child(OsType)
    firmware: Firmware | None = child(Firmware, default=None)
    loader: Loader | None = child(Loader, default=None)
    nvram: Nvram | None = child(Nvram, default=None)
    kernel: str | None = text("kernel", default=None)
    initrd: str | None = text("initrd", default=None)
    cmdline: str | None = text("cmdline", default=None)
    dtb: str | None = text("dtb", default=None)
    acpi: Acpi | None = child(Acpi, default=None)
    boots: tuple[Boot, ...] = children(Boot, default=())
    bootmenu: BootMenu | None = child(BootMenu, default=None)
    smbios: Smbios | None = child(Smbios, default=None)
    bios: Bios | None = child(Bios, default=None)
