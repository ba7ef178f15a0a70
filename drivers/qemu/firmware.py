"""Choosing a firmware: the descriptors that distributions ship, and which of them a domain can have.

Source: QEMU's docs/interop/firmware.json. Directories from least to most specific; a file name in one
hides the same name in those before it, an empty file hides without a replacement; then by file name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.features import Features, Smm
from embervirt.drivers.qemu.model.os import Loader, Nvram
from embervirt.drivers.xml import replace
from embervirt.errors import InternalError, OperationFailed, OperationInvalid

INTERFACES = {"efi": "uefi", "bios": "bios"}
SYSTEM = (Path("/usr/share/qemu/firmware"), Path("/etc/qemu/firmware"))
SMM, SECURE_BOOT, ENROLLED_KEYS = "requires-smm", "secure-boot", "enrolled-keys"


def directories() -> tuple[Path, ...]:
    """Where descriptors are; the user's own only for a program that is not root's."""
    if os.geteuid() == 0:
        return SYSTEM
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return (*SYSTEM, Path(config, "qemu/firmware"))


class File(msgspec.Struct, frozen=True):
    filename: str
    format: str = "raw"


class Mapping(msgspec.Struct, frozen=True, rename="kebab"):
    """``mode`` of a flash: ``split`` code and variables, ``combined``, or ``stateless``."""

    device: str
    mode: str = "split"
    executable: File | None = None
    nvram_template: File | None = None
    filename: str | None = None


class Target(msgspec.Struct, frozen=True):
    architecture: str
    machines: tuple[str, ...]


class Descriptor(msgspec.Struct, frozen=True, rename="kebab"):
    """One firmware, as its JSON file describes it."""

    interface_types: tuple[str, ...]
    mapping: Mapping
    targets: tuple[Target, ...] = ()
    features: frozenset[str] = frozenset()
    description: str = ""

    def runs(self, arch: str, machine: str) -> bool:
        """Whether it is made for this machine."""
        return any(
            target.architecture == arch and any(fnmatchcase(machine, each) for each in target.machines)
            for target in self.targets
        )


@dataclass(frozen=True)
class Known:
    """A descriptor and the file that it came from."""

    path: Path
    descriptor: Descriptor


def known(places: tuple[Path, ...] | None = None) -> tuple[Known, ...]:
    """Every descriptor that counts, in the order in which they are to be tried.

    Raises InternalError for a file that is not a descriptor.
    """
    files: dict[str, Path] = {}
    for place in directories() if places is None else places:
        found = sorted(place.glob("*.json")) if place.is_dir() else []
        files |= {path.name: path for path in found}
    read = ((files[name], files[name].read_bytes()) for name in sorted(files))
    return tuple(Known(path, _parse(path, data)) for path, data in read if data.strip())


def _parse(path: Path, data: bytes) -> Descriptor:
    try:
        return msgspec.json.decode(data, type=Descriptor)
    except msgspec.DecodeError as error:
        text = f"firmware descriptor '{path}': {error}"
        raise InternalError(text, virdomain=VIR_FROM_QEMU) from error


def usual_nvram(nvram_dir: str, name: str) -> Path:
    """Where a domain's variables are when it does not say where."""
    return Path(nvram_dir) / f"{name}_VARS.fd"


def chosen(domain: Domain, nvram_dir: str, places: tuple[Path, ...] | None = None) -> Domain:
    """The domain with the firmware that is to be chosen for it; unchanged when it says which itself.

    Raises OperationFailed when there is none, OperationInvalid when SMM is off and it needs that.
    """
    kind = domain.os.firmware_kind
    if kind is None:
        return _with_template(domain, places)
    found = next((each for each in known(places) if _satisfies(each.descriptor, domain)), None)
    if found is None:
        text = f"Unable to find any firmware to satisfy '{kind}'"
        raise OperationFailed(text, virdomain=VIR_FROM_QEMU)
    return _applied(domain, found.descriptor, nvram_dir)


def _satisfies(firmware: Descriptor, domain: Domain) -> bool:
    kind, loader, wanted = domain.os.firmware_kind or "", domain.os.loader, domain.os.firmware
    if INTERFACES[kind] not in firmware.interface_types:
        return False
    if not firmware.runs(domain.os.type.arch or "", domain.os.type.machine or ""):
        return False
    if loader and loader.secure and (SMM not in firmware.features or SECURE_BOOT not in firmware.features):
        return False
    stateless = firmware.mapping.device == "flash" and firmware.mapping.mode == "stateless"
    if loader and loader.stateless is not None and loader.stateless != (stateless or _ram(firmware)):
        return False
    for name in (SECURE_BOOT, ENROLLED_KEYS):
        asked = wanted.wants(name) if wanted else None
        if asked is not None and asked != (name in firmware.features):
            return False
    return firmware.mapping.device in ("flash", "memory")


def _ram(firmware: Descriptor) -> bool:
    return firmware.mapping.device == "memory"


def _applied(domain: Domain, firmware: Descriptor, nvram_dir: str) -> Domain:
    mapping, features = firmware.mapping, domain.features or Features()
    loader = domain.os.loader or Loader()
    nvram = domain.os.nvram
    if mapping.device == "memory":
        loader = replace(loader, type="rom", path=mapping.filename or "")
        return replace(domain, os=replace(domain.os, loader=loader))
    code = mapping.executable
    loader = replace(loader, readonly=True, type="pflash", path=code.filename if code else "")
    if mapping.mode != "stateless" and mapping.nvram_template:
        usual = str(usual_nvram(nvram_dir, domain.name))
        given = nvram or Nvram()
        placed = given if given.path or given.type else replace(given, text=usual)
        nvram = replace(placed, template=given.template or mapping.nvram_template.filename)
    if SMM in firmware.features:
        if features.smm and not features.smm.state:
            text = "domain has SMM turned off but chosen firmware requires it"
            raise OperationInvalid(text, virdomain=VIR_FROM_QEMU)
        features = replace(features, smm=features.smm or Smm(state=True))
        loader = replace(loader, secure=True)
    return replace(domain, features=features, os=replace(domain.os, loader=loader, nvram=nvram))


def _with_template(domain: Domain, places: tuple[Path, ...] | None) -> Domain:
    """Variables of a firmware that the user named: the template that belongs to its code, if it is known."""
    loader, nvram = domain.os.loader, domain.os.nvram
    if loader is None or nvram is None or loader.type != "pflash" or nvram.template or nvram.type:
        return domain
    template = template_of(loader.path, places)
    if template is None:
        return domain
    return replace(domain, os=replace(domain.os, nvram=replace(nvram, template=template)))


def template_of(code: str, places: tuple[Path, ...] | None = None) -> str | None:
    """The variables that belong to a firmware's code, by the descriptors."""
    wanted = os.path.realpath(code)
    for each in known(places):
        mapping = each.descriptor.mapping
        if mapping.executable and os.path.realpath(mapping.executable.filename) == wanted:
            return mapping.nvram_template.filename if mapping.nvram_template else None
    return None


def summary(known_: tuple[Known, ...], arch: str, machine: str) -> dict[str, Any]:
    """For domain capabilities: kinds, loaders, and whether one is secure, of a machine."""
    fit = [each.descriptor for each in known_ if each.descriptor.runs(arch, machine)]
    kinds = [kind for kind, name in INTERFACES.items() if any(name in each.interface_types for each in fit)]
    loaders = [each.mapping.executable.filename for each in fit if each.mapping.executable]
    secure = any(SMM in each.features and SECURE_BOOT in each.features for each in fit)
    return {"kinds": kinds, "loaders": loaders, "secure": secure}
