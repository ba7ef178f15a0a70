"""The questions of a connection about this host, answered with what the driver's face has."""

from __future__ import annotations

import shutil

from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.drivers.qemu.cpu.map import cpu_map
from embervirt.drivers.qemu.errors import VIR_FROM_QEMU
from embervirt.drivers.qemu.face import EMULATORS, Face
from embervirt.drivers.qemu.host.capabilities import capabilities
from embervirt.drivers.qemu.host.domaincaps import Wanted, domain_capabilities
from embervirt.drivers.qemu.validate.machine import RUNS
from embervirt.errors import ConfigUnsupported, InvalidArgument

MOST_QEMU, MOST_KVM = 16, 1024
"""vCPUs that libvirt says a connection has: without KVM, and with it (``KVM_CAP_MAX_VCPUS`` of Linux)."""

ARCHITECTURES = ("aarch64", "alpha", "armv7l", "i686", "ppc64", "ppc64le", "riscv64", "s390x", "x86_64")


def host_capabilities(face: Face) -> str:
    """Of the host and of every emulator that is installed. Raises ProbeFailed."""
    found = {arch: shutil.which(name) for arch, name in sorted(EMULATORS.items())}
    if face.settings.qemu.emulator:
        found = {"": face.settings.qemu.emulator}
    return capabilities(face.capabilities(path) for path in found.values() if path)


def of_domains(
    face: Face, emulator: str | None, arch: str | None, machine: str | None, kind: str | None
) -> str:
    """Of domains of a kind. None is what a domain that does not say would have.

    Raises InvalidArgument, ConfigUnsupported, NoEmulator, ProbeFailed.
    """
    caps = face.capabilities(emulator or _emulator(face, arch))
    arch = arch or caps.arch
    if arch not in RUNS.get(caps.arch, (caps.arch,)):
        text = f"architecture from emulator '{caps.arch}' doesn't match given architecture '{arch}'"
        raise InvalidArgument(text, virdomain=VIR_FROM_QEMU)
    name = caps.aliases.get(machine or "", machine or caps.default_machine)
    if name not in caps.machines or name == "none":
        text = f"the machine '{machine}' is not supported by emulator '{caps.binary}'"
        raise InvalidArgument(text, virdomain=VIR_FROM_QEMU)
    return domain_capabilities(Wanted(caps, arch, name, _kind(caps, kind)))


def _emulator(face: Face, arch: str | None) -> str:
    try:
        return face.emulator(arch)
    except ConfigUnsupported:
        text = f"unable to find any emulator to serve '{arch}' architecture"
        raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU) from None


def _kind(caps: Capabilities, kind: str | None) -> str:
    known: tuple[str, ...] = ("qemu", "kvm") if caps.kvm else ("qemu",)
    if kind is None:
        return known[-1]
    if kind not in known:
        text = f"Emulator '{caps.binary}' does not support virt type '{kind}'"
        expected = ", ".join(known)
        raise InvalidArgument(f"{text}; expected one of: {expected}", virdomain=VIR_FROM_QEMU)
    return kind


def cpu_models(arch: str) -> list[str]:
    """CPU models that a domain's XML can name. Raises InvalidArgument for an unknown architecture."""
    if arch in RUNS:
        return list(cpu_map().models)
    if arch not in ARCHITECTURES:
        raise InvalidArgument(f"cannot find architecture {arch}", virdomain=VIR_FROM_QEMU)
    return []


def most_vcpus(kind: str | None) -> int:
    """vCPUs of a domain's type. Raises InvalidArgument for one that nobody knows."""
    if kind in (None, "qemu"):
        return MOST_QEMU
    if kind == "kvm":
        return MOST_KVM
    raise InvalidArgument(f"unknown type '{kind}'; expected qemu or kvm", virdomain=VIR_FROM_QEMU)
