"""What a definition becomes for one run on this host: firmware chosen, CPU settled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from embervirt.drivers.qemu import firmware
from embervirt.drivers.qemu.cpu.resolve import resolved
from embervirt.drivers.qemu.errors import VIR_FROM_DOM, VIR_FROM_QEMU
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.cpuset import members
from embervirt.drivers.qemu.model.tuning import CpuTune
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.root.files import make_directories
from embervirt.drivers.root.paths import RootPaths
from embervirt.errors import ConfigUnsupported, InternalError

NODES = Path("/sys/devices/system/node/online")
MOUNTS = Path("/proc/self/mounts")
_LIMITS = ("shares", "period", "quota", "global_period", "global_quota", "emulator_period")
CGROUP_LIMITS = (*_LIMITS, "emulator_quota", "iothread_period", "iothread_quota")


def prepared(plan: Plan, face: Face) -> Plan:
    """The plan with the domain as it will run; nothing is changed on the host.

    Raises ConfigUnsupported, OperationFailed, OperationInvalid, InternalError, CpuIncompatible.
    """
    domain = plan.domain
    check_host(domain)
    caps = face.capabilities(domain.devices.emulator)
    domain = firmware.chosen(domain, str(face.paths.nvram))
    return replace(plan, domain=resolved(domain, caps))


def check_host(domain: Domain) -> None:
    """NUMA nodes are there; automatic memory and the host's SMBIOS are refused, for nobody tells us."""
    memory = domain.numatune.memory if domain.numatune else None
    if memory and memory.placement == "auto":
        text = "Advice from numad is needed in case of automatic numa placement"
        raise InternalError(text, virdomain=VIR_FROM_DOM)
    if domain.os.smbios and domain.os.smbios.mode == "host":
        raise ConfigUnsupported("Host SMBIOS information is not available", virdomain=VIR_FROM_QEMU)
    wanted = [memory.nodeset] if memory else []
    wanted += [node.nodeset for node in domain.numatune.nodes] if domain.numatune else []
    online = nodes()
    for number in sorted({n for nodeset in wanted if nodeset for n in members(nodeset)}):
        if number not in online:
            raise ConfigUnsupported(f"NUMA node {number} is unavailable")


def nodes() -> tuple[int, ...]:
    """The host's NUMA nodes; one without them is node 0."""
    try:
        return members(NODES.read_text().strip())
    except FileNotFoundError:
        return (0,)


def check_limits(domain: Domain) -> None:
    """What only a cgroup can do, which this driver makes none of: refused, as libvirt without cgroups.

    And vCPUs that numad is to place: there is nobody to ask.
    """
    tune = domain.cputune or CpuTune()
    if domain.vcpu.placement == "auto":
        _refuse("numad is not available on this host")
    if any(getattr(tune, name) for name in CGROUP_LIMITS):
        _refuse("CPU tuning is not available on this host: limits need a cgroup")
    if domain.memtune:
        _refuse("Memory cgroup is not available on this host")
    if domain.blkiotune:
        _refuse("Block I/O tuning is not available on this host")
    tuned = domain.numatune
    modes = [each.mode for each in tuned.nodes] if tuned else []
    modes += [tuned.memory.mode] if tuned and tuned.memory else []
    if "restrictive" in modes:
        _refuse("numatune mode 'restrictive' is not available on this host: it needs a cgroup")


def _refuse(text: str) -> None:
    raise ConfigUnsupported(text, virdomain=VIR_FROM_QEMU)


def huge_page_dirs(paths: RootPaths, mounts: Path = MOUNTS) -> dict[int, str]:
    """Where huge pages are: a directory of the root's own in each hugetlbfs, by KiB of a page.

    Under 0 the one with the host's default size.
    """
    found: dict[int, str] = {}
    for line in mounts.read_text().splitlines():
        _, target, kind, options, *_ = line.split()
        if kind == "hugetlbfs":
            words = dict(word.partition("=")[::2] for word in options.split(","))
            size = _kib(words.get("pagesize", "")) or default_page()
            found.setdefault(size, f"{target}/libvirt/qemu/qemu-embed-{paths.hash8}")
    default = found.get(default_page())
    return found | {0: default} if default else found


def make_huge_page_dirs(domain: Domain, paths: RootPaths) -> None:
    """For a guest with huge pages: QEMU makes its files there and unlinks them at once."""
    if domain.memory_backing is not None and domain.memory_backing.hugepages is not None:
        make_directories([Path(found) for found in set(huge_page_dirs(paths).values())])


def _kib(text: str) -> int:
    units = {"K": 1, "M": 1024, "G": 1024 * 1024}
    return int(text[:-1]) * units[text[-1]] if text[:-1].isdigit() and text[-1] in units else 0


def default_page(meminfo: Path = Path("/proc/meminfo")) -> int:
    """KiB of the host's default huge page; 0 without any."""
    lines = (line.split() for line in meminfo.read_text().splitlines())
    return next((int(words[1]) for words in lines if words[:1] == ["Hugepagesize:"]), 0)
