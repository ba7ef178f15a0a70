"""How much memory and how many virtual CPUs a domain has."""

from __future__ import annotations

import os
from typing import Any

from embervirt.drivers.qemu.errors import VIR_FROM_DOM, VIR_FROM_QEMU, DomainNotRunning
from embervirt.drivers.qemu.model.cpuset import members
from embervirt.drivers.qemu.model.edits import SetMemory, SetStatsPeriod, SetVcpus
from embervirt.drivers.qemu.service.statistics import online
from embervirt.errors import InvalidArgument
from embervirt.libvirt.domain import impact
from embervirt.libvirt.domain.agent import AgentCalls
from embervirt.libvirt.domain.definition import Definitions
from embervirt.libvirt.flags import only

MAXIMUM = 4
"""``VIR_DOMAIN_MEM_MAXIMUM`` and ``VIR_DOMAIN_VCPU_MAXIMUM``."""

GUEST, HOTPLUGGABLE = 8, 16
TYPED_STRING_OKAY = 4
NUMA_MODES = ("strict", "preferred", "interleave", "restrictive")
MEMORY_LIMITS = ("hard_limit", "soft_limit", "swap_hard_limit")
UNLIMITED = 9007199254740991
"""``VIR_DOMAIN_MEMORY_PARAM_UNLIMITED``, KiB."""


class Tuning(Definitions, AgentCalls):
    """The part of ``virDomain`` that concerns its memory and CPUs."""

    def setMaxMemory(self, memory: int) -> int:
        """At most so many KiB, from the next start on. Raises OperationInvalid while it runs."""
        return self._set_memory(memory, MAXIMUM, "virDomainSetMaxMemory")

    def setMemory(self, memory: int) -> int:
        """So many KiB for the running guest; it gives back or takes the rest as it can."""
        return self._set_memory(memory, impact.LIVE, "virDomainSetMemory")

    def setMemoryFlags(self, memory: int, flags: int = 0) -> int:
        """KiB for the running guest (LIVE, 1), from the next start on (CONFIG, 2); at most (MAXIMUM, 4).

        Raises InvalidArgument for more than the maximum, OperationInvalid for what does not run, or does
        and cannot be changed.
        """
        only(flags, impact.AFFECT | MAXIMUM, "setMemoryFlags")
        return self._set_memory(memory, flags, "virDomainSetMemoryFlags")

    def _set_memory(self, memory: int, flags: int, call: str) -> int:
        self._conn._check_writable(call)
        if memory <= 0:
            raise InvalidArgument(f"memory in {call} must not be zero", virdomain=VIR_FROM_DOM)
        self._edit(SetMemory(memory, bool(flags & MAXIMUM)), flags)
        return 0

    def setMemoryStatsPeriod(self, period: int, flags: int = 0) -> int:
        """Seconds between fetches of the guest's memory statistics, 0 for never.

        Raises OperationInvalid for a domain without a virtio balloon.
        """
        only(flags, impact.AFFECT, "setMemoryStatsPeriod")
        self._conn._check_writable("virDomainSetMemoryStatsPeriod")
        if period < 0:
            text = "period in virDomainSetMemoryStatsPeriod must be zero or greater"
            raise InvalidArgument(text, virdomain=VIR_FROM_DOM)
        self._edit(SetStatsPeriod(period), flags)
        return 0

    def setVcpus(self, nvcpus: int) -> int:
        """So many for the running guest."""
        return self.setVcpusFlags(nvcpus, impact.LIVE)

    def setVcpusFlags(self, nvcpus: int, flags: int = 0) -> int:
        """CONFIG (2): at its next start; with MAXIMUM (4) at most.

        GUEST (8): the guest's agent switches them on and off. Raises InvalidArgument, OperationInvalid,
        ConfigUnsupported (LIVE: no vCPU can be added or removed), what calls to the agent raise.
        """
        only(flags, impact.AFFECT | MAXIMUM | GUEST | HOTPLUGGABLE, "setVcpusFlags")
        self._conn._check_writable("virDomainSetVcpusFlags")
        if nvcpus <= 0:
            text = "nvcpus in virDomainSetVcpusFlags must not be zero"
            raise InvalidArgument(text, virdomain=VIR_FROM_DOM)
        _check_vcpu_flags(flags)
        if flags & GUEST:
            return self._set_online(nvcpus)
        self._edit(SetVcpus(nvcpus, bool(flags & MAXIMUM)), flags)
        return 0

    def _set_online(self, count: int) -> int:
        told = self._ask_agent("guest-get-vcpus")
        if count > len(told):
            text = "requested vcpu count is greater than the count of enabled vcpus in the domain"
            raise InvalidArgument(f"{text}: {count} > {len(told)}", virdomain=VIR_FROM_QEMU)
        changes = online(told, count)
        if changes:
            self._ask_agent("guest-set-vcpus", vcpus=changes)
        return 0

    def vcpusFlags(self, flags: int = 0) -> int:
        """How many it has, or with MAXIMUM (4) can have; of the running guest (1) or the definition (2)."""
        only(flags, impact.AFFECT | MAXIMUM | GUEST, "vcpusFlags")
        vcpu = impact.read(self, flags).vcpu
        if flags & GUEST:
            if self._running() is None:
                text = "vCPU count provided by the guest agent can only be requested for live domains"
                raise InvalidArgument(text, virdomain=VIR_FROM_QEMU)
            told = self._ask_agent("guest-get-vcpus")
            return len(told) if flags & MAXIMUM else sum(each["online"] for each in told)
        return vcpu.count if flags & MAXIMUM else vcpu.current or vcpu.count

    def maxVcpus(self) -> int:
        """How many the running guest can have. Raises OperationInvalid when it does not run."""
        if self._running() is None:
            self._known()
            raise DomainNotRunning("domain is not running")
        return self.vcpusFlags(impact.LIVE | MAXIMUM)

    def memoryParameters(self, flags: int = 0) -> dict[str, int]:
        """Limits of QEMU's memory on the host, in KiB; what is not limited is ``UNLIMITED``."""
        only(flags, impact.AFFECT | TYPED_STRING_OKAY, "memoryParameters")
        tune = impact.read(self, flags).memtune
        known = {name: getattr(tune, name, None) for name in MEMORY_LIMITS}
        return {name: UNLIMITED if value is None else value for name, value in known.items()}

    def numaParameters(self, flags: int = 0) -> dict[str, Any]:
        """``numa_mode`` (virDomainNumatuneMemMode) and ``numa_nodeset``: from where its memory comes."""
        only(flags, impact.AFFECT | TYPED_STRING_OKAY, "numaParameters")
        tune = impact.read(self, flags).numatune
        memory = tune.memory if tune else None
        mode = NUMA_MODES.index(memory.mode or "strict") if memory else 0
        return {"numa_mode": mode, "numa_nodeset": (memory.nodeset or "") if memory else ""}

    def vcpuPinInfo(self, flags: int = 0) -> list[tuple[bool, ...]]:
        """Of each vCPU: on which CPUs of the host it may run."""
        only(flags, impact.AFFECT, "vcpuPinInfo")
        domain = impact.read(self, flags)
        pins = {pin.vcpu: pin.cpuset for pin in domain.cputune.vcpu_pins} if domain.cputune else {}
        return [_cpus(pins.get(number) or domain.vcpu.cpuset) for number in range(domain.vcpus)]

    def emulatorPinInfo(self, flags: int = 0) -> tuple[bool, ...]:
        """The same of QEMU's other threads."""
        only(flags, impact.AFFECT, "emulatorPinInfo")
        domain = impact.read(self, flags)
        pins = domain.cputune.emulator_pins if domain.cputune else ()
        return _cpus(pins[0].cpuset if pins else domain.vcpu.cpuset)


def _cpus(cpuset: str | None) -> tuple[bool, ...]:
    """Of the host: whether it is in the set; all when there is none."""
    count = os.cpu_count() or 1
    allowed = members(cpuset) if cpuset else range(count)
    return tuple(number in allowed for number in range(count))


def _check_vcpu_flags(flags: int) -> None:
    if flags & MAXIMUM and not flags & impact.CONFIG:
        text = "Flag 'VIR_DOMAIN_AFFECT_CONFIG' is required by flag 'VIR_DOMAIN_VCPU_MAXIMUM'"
        raise InvalidArgument(text, virdomain=VIR_FROM_DOM)
    for other, name in ((MAXIMUM, "VIR_DOMAIN_VCPU_MAXIMUM"), (impact.CONFIG, "VIR_DOMAIN_AFFECT_CONFIG")):
        if flags & GUEST and flags & other:
            text = f"Flags 'VIR_DOMAIN_VCPU_GUEST' and '{name}' are mutually exclusive"
            raise InvalidArgument(text, virdomain=VIR_FROM_DOM)
