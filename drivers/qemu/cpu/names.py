"""Names of CPU features: libvirt's, QEMU's and Linux's differ in a few."""

from __future__ import annotations

from embervirt.drivers.qemu.cpu.map import cpu_map

_QEMU = {
    "pclmuldq": "pclmulqdq",
    "vmx-invvpid-single-context-noglobals": "vmx-invept-single-context-noglobals",
}
_LINUX = {
    "tsc_deadline_timer": "tsc-deadline",
    "avx512_vbmi2": "avx512vbmi2",
    "avx512_vnni": "avx512vnni",
    "avx512_bitalg": "avx512bitalg",
    "cr8_legacy": "cr8legacy",
}
_QEMU_BACK = {theirs: ours for ours, theirs in _QEMU.items()}


def qemu_name(feature: str) -> str:
    """QEMU's property for libvirt's name; QEMU's use hyphens where libvirt has underscores."""
    return _QEMU.get(feature, feature.replace("_", "-"))


def from_qemu(name: str) -> str:
    """libvirt's name of QEMU's property; the same word for one that libvirt does not know."""
    known = cpu_map()
    name = _QEMU_BACK.get(name, name)
    return name if name in known.order else known.from_qemu.get(name, name)


def from_linux(flag: str) -> str | None:
    """libvirt's name of a flag in /proc/cpuinfo; None for one that it does not know."""
    known, flag = cpu_map(), _LINUX.get(flag, flag)
    for word in (flag, known.from_linux.get(flag, ""), known.from_qemu.get(flag, "")):
        if word in known.order:
            return word
    dashed = flag.replace("_", "-")
    return dashed if dashed in known.order else known.from_qemu.get(dashed)
