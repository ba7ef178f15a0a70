"""Firmware, boot order, SMBIOS."""

from __future__ import annotations

import re

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.os import Loader
from embervirt.drivers.qemu.model.sysinfo import SysInfo, Table
from embervirt.drivers.qemu.validate.repeated import repeated
from embervirt.errors import ConfigUnsupported, XmlDetail, XmlError

MOST_TIMEOUT = 65535
"""Milliseconds of the boot menu, and until a reboot: what the firmware can hold."""

_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})")
RESERVED = "opt/org.qemu/"
OVMF = "opt/ovmf/"


def check(domain: Domain) -> None:
    """All of ``<os>`` and what it takes from elsewhere."""
    _boot(domain)
    _firmware(domain)
    _loader(domain)
    for sysinfo in domain.sysinfos:
        _sysinfo(sysinfo, domain.uuid)


def _boot(domain: Domain) -> None:
    os = domain.os
    if os.boots and any(getattr(device, "boot", None) for device in domain.devices.all):
        raise ConfigUnsupported("per-device boot elements cannot be used together with os/boot elements")
    twice = repeated(boot.order for device in domain.devices.all if (boot := getattr(device, "boot", None)))
    if twice is not None:
        raise ConfigUnsupported(f"boot order '{twice}' used for more than one device")
    if os.bootmenu and (os.bootmenu.timeout or 0) > MOST_TIMEOUT:
        raise ConfigUnsupported(f"invalid value for boot menu timeout, must be in range [0,{MOST_TIMEOUT}]")
    if os.bios and os.bios.reboot_timeout is not None and not -1 <= os.bios.reboot_timeout <= MOST_TIMEOUT:
        raise ConfigUnsupported(f"invalid value for rebootTimeout, must be in range [-1,{MOST_TIMEOUT}]")
    if os.bios and os.bios.use_serial and not domain.devices.serials:
        raise XmlError("need at least one serial port to use BIOS serial output")


def _firmware(domain: Domain) -> None:
    """What may be said of a firmware that is chosen automatically, and of one that is not."""
    os, loader = domain.os, domain.os.loader
    if os.firmware_kind is None:
        if os.firmware:
            raise XmlDetail(
                "cannot use feature-based firmware autoselection when firmware autoselection is disabled"
            )
        if (loader and not loader.path) or (os.nvram and not loader):
            raise XmlDetail("no loader path specified and firmware auto selection disabled")
        return
    if os.firmware_kind == "bios" and (os.nvram or (loader and loader.stateless is False)):
        raise XmlDetail("firmware='bios' does not support nvram; only EFI firmware does")
    if loader:
        _automatic(loader)
    if os.nvram and os.nvram.template:
        text = "nvram attribute 'template' cannot be specified when firmware autoselection is enabled"
        raise XmlDetail(text)
    if os.firmware and os.firmware.wants("enrolled-keys") and os.firmware.wants("secure-boot") is False:
        raise XmlDetail(
            "firmware feature 'enrolled-keys' cannot be enabled"
            " when firmware feature 'secure-boot' is disabled"
        )


def _automatic(loader: Loader) -> None:
    given = {"readonly": loader.readonly, "type": loader.type, "secure": loader.secure is False or None}
    for name, value in given.items():
        if value is not None:
            raise XmlDetail(
                f"loader attribute '{name}' cannot be specified when firmware autoselection is enabled"
            )


def _loader(domain: Domain) -> None:
    os, loader, features = domain.os, domain.os.loader, domain.features
    if loader and loader.type != "pflash" and os.firmware_kind is None and loader.stateless is False:
        raise XmlDetail("Only pflash loader type permits NVRAM")
    if loader and loader.stateless and os.nvram:
        raise XmlDetail("NVRAM is not permitted when loader is stateless")
    flash = loader is not None and loader.type == "pflash"
    if (flash or os.firmware_kind == "efi") and not (features and features.acpi):
        raise ConfigUnsupported("UEFI requires ACPI on this architecture")
    if loader and loader.secure:
        if not domain.q35:
            raise ConfigUnsupported("Secure boot is supported with q35 machine types only")
        if os.firmware_kind is None and not (features and features.smm and features.smm.state):
            raise ConfigUnsupported("Secure boot requires SMM feature enabled")


def _sysinfo(sysinfo: SysInfo, uuid: str) -> None:
    if sysinfo.bios:
        _date(sysinfo.bios.get("date"))
    if sysinfo.system:
        _uuid(sysinfo.system, uuid)
    for blob in sysinfo.blobs if sysinfo.type == "fwcfg" else ():
        if not blob.name:
            raise XmlError("Firmware entry is missing 'name' attribute")
        if not blob.value and not blob.file:
            raise XmlError(f"Firmware entry must have either value or 'file' attribute: '{blob.name}'")
        if not blob.name.startswith("opt/"):
            raise ConfigUnsupported(f"Invalid firmware name: '{blob.name}' does not begin with opt/")
        if blob.name.startswith((RESERVED, OVMF)):
            raise ConfigUnsupported(f"That firmware name is reserved: '{blob.name}'")


def _date(date: str | None) -> None:
    match = _DATE.fullmatch(date) if date else None
    years = match is not None and (len(match[3]) == 2 or int(match[3]) >= 1900)
    if date and not (match and years and 1 <= int(match[1]) <= 12 and 1 <= int(match[2]) <= 31):
        raise XmlDetail(f"Invalid BIOS 'date' format: '{date}', expected MM/DD/YYYY")


def _uuid(system: Table, uuid: str) -> None:
    given = system.get("uuid")
    if given is None:
        return
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", given):
        raise XmlDetail(f"malformed <sysinfo> uuid element: '{given[:50]}'")
    if given.replace("-", "").lower() != uuid.replace("-", ""):
        raise XmlDetail("UUID mismatch between <uuid> and <sysinfo>")
