"""The machine type, the firmware and the boot order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.os import Bios, Boot, BootMenu, Firmware, FirmwareFeature, Loader, Nvram, Os
from embervirt.drivers.xml import replace

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities


MOST_BOOTS = 4
"""Devices of the boot order; libvirt knows as many kinds and forgets what comes after."""


def complete(domain: Domain, caps: Capabilities, nvram_dir: str) -> Os:
    """Architecture and machine of the emulator; an alias of a machine becomes the machine."""
    os = domain.os
    arch = os.type.arch or caps.arch
    machine = os.type.machine or caps.default_machine
    own = any(getattr(device, "boot", None) for device in domain.devices.all)
    loader = _loader(os)
    return replace(
        os,
        type=replace(os.type, arch=arch, machine=caps.aliases.get(machine, machine)),
        firmware=_firmware(os.firmware),
        loader=loader,
        nvram=_nvram(os, loader, f"{nvram_dir}/{domain.name}_VARS.fd"),
        smbios=os.smbios if os.smbios and os.smbios.mode else None,
        bios=None if os.bios == Bios() else os.bios,
        acpi=os.acpi if os.acpi and os.acpi.table else None,
        boots=os.boots[:MOST_BOOTS] if os.boots or own else (Boot(dev="hd"),),
        bootmenu=_menu(os.bootmenu),
    )


def _firmware(firmware: Firmware | None) -> Firmware | None:
    """Keys are enrolled for secure boot: who wants them wants that."""
    if firmware is None or not firmware.features:
        return None
    if firmware.wants("enrolled-keys") and firmware.wants("secure-boot") is None:
        return Firmware(features=(*firmware.features, FirmwareFeature(enabled=True, name="secure-boot")))
    return firmware


def _loader(os: Os) -> Loader | None:
    loader = os.loader
    if loader is None or (loader == Loader() and os.firmware_kind):
        return None
    if loader.path and loader.type is None:
        return replace(loader, type="rom")
    return loader


def _nvram(os: Os, loader: Loader | None, usual: str) -> Nvram | None:
    """A read-only pflash keeps its variables elsewhere: if nobody says where, in a file of the driver's."""
    nvram = os.nvram
    if nvram == Nvram() and (os.firmware_kind or loader):
        nvram = None
    wanted = loader is not None and loader.type == "pflash" and loader.readonly and not loader.stateless
    if wanted and loader and loader.path and (nvram is None or (not nvram.path and nvram.type is None)):
        return replace(nvram or Nvram(), text=usual)
    return nvram


def _menu(menu: BootMenu | None) -> BootMenu | None:
    if menu is None or menu.enable is None:
        return None
    return menu if menu.enable else BootMenu(enable=False)
