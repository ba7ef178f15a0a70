"""The connection's calls about the host: what it is, what it has left, what its domains can be."""

from __future__ import annotations

import os
from typing import NoReturn

from embervirt.drivers.qemu.cpu.host import physical
from embervirt.drivers.qemu.face import Face
from embervirt.drivers.qemu.host import asking, node
from embervirt.errors import ConfigUnsupported
from embervirt.libvirt.connection import Connection
from embervirt.libvirt.flags import only

VIR_FROM_QEMU = 10


class HostCalls(Connection):
    """The part of ``virConnect`` that concerns the host. All of it is read anew at each call."""

    @property
    def _host(self) -> Face:
        face: Face = self._face("qemu")
        return face

    def getCapabilities(self) -> str:
        """XML: the host's CPU, memory and caches, and the guests that its emulators can run."""
        return asking.host_capabilities(self._host)

    def getDomainCapabilities(
        self,
        emulatorbin: str | None = None,
        arch: str | None = None,
        machine: str | None = None,
        virttype: str | None = None,
        flags: int = 0,
    ) -> str:
        """XML: what a domain of an emulator, architecture, machine and type can have; None: the usual."""
        only(flags, 0, "getDomainCapabilities")
        return asking.of_domains(self._host, emulatorbin, arch, machine, virttype)

    def getCPUModelNames(self, arch: str, flags: int = 0) -> list[str]:
        """CPU models that a domain of ``arch`` can name."""
        only(flags, 0, "getCPUModelNames")
        self._check_open()
        return asking.cpu_models(arch)

    def getMaxVcpus(self, type: str | None) -> int:  # libvirt-python's name
        """The most vCPUs that a domain of a type (``qemu``, ``kvm``) can have."""
        self._check_open()
        return asking.most_vcpus(type)

    def getInfo(self) -> list[str | int]:
        """Architecture, memory in MiB, CPUs, their MHz, NUMA nodes, sockets a node, cores, threads."""
        self._check_open()
        own, (sockets, dies, cores, threads) = physical(), node.topology()
        mhz = int(own.mhz) if own else 0
        memory = sum(node.meminfo(number)["MemTotal"] for number in node.nodes()) // 1024
        cpus = len(node.online())
        return [os.uname().machine, memory, cpus, mhz, len(node.nodes()), sockets, dies * cores, threads]

    def getFreeMemory(self) -> int:
        """Bytes that nobody uses."""
        self._check_open()
        return sum(node.free_memory(number, 1)[0] for number in node.nodes())

    def getCellsFreeMemory(self, startCell: int, maxCells: int) -> list[int]:
        """The same for each of ``maxCells`` NUMA nodes from ``startCell``."""
        self._check_open()
        return node.free_memory(startCell, maxCells)

    def getFreePages(
        self, pages: list[int], startCell: int, maxCells: int, flags: int = 0
    ) -> dict[int, dict[int, int]]:
        """Free pages by NUMA node and size in KiB."""
        only(flags, 0, "getFreePages")
        self._check_open()
        free = node.free_memory(startCell, maxCells)
        numbers = [number for number in node.nodes() if number >= startCell][: len(free)]
        return {number: self._pages(number, pages, left) for number, left in zip(numbers, free, strict=True)}

    @staticmethod
    def _pages(number: int, sizes: list[int], free: int) -> dict[int, int]:
        base, huge = os.sysconf("SC_PAGE_SIZE") // 1024, node.huge_pages(number)
        for size in sizes:
            if size != base and size not in huge:
                raise ConfigUnsupported(f"page size {size} is not available on node {number}")
        return {size: free // 1024 // base if size == base else huge[size][1] for size in sizes}

    def getCPUMap(self, flags: int = 0) -> tuple[int, list[bool], int]:
        """How many CPUs are there, which of them run, how many run."""
        only(flags, 0, "getCPUMap")
        self._check_open()
        there, running = node.present(), set(node.online())
        return len(there), [number in running for number in there], len(running)

    def getCPUStats(self, cpuNum: int, flags: int = 0) -> dict[str, int]:
        """Nanoseconds since the host's start: kernel, user, idle, iowait; of all CPUs with -1."""
        only(flags, 0, "getCPUStats")
        self._check_open()
        return node.cpu_stats(cpuNum)

    def getMemoryStats(self, cellNum: int, flags: int = 0) -> dict[str, int]:
        """KiB: total, free, of all nodes with -1 also buffers and cached."""
        only(flags, 0, "getMemoryStats")
        self._check_open()
        return node.memory_stats(cellNum)

    def getSecurityModel(self) -> list[str]:
        """``none``: guests are kept apart by the users that they run as."""
        self._check_open()
        return ["none", "0"]

    def getSysinfo(self, flags: int = 0) -> NoReturn:
        """The host's SMBIOS is not read: always ConfigUnsupported."""
        only(flags, 0, "getSysinfo")
        self._check_open()
        raise ConfigUnsupported("Host SMBIOS information is not available", virdomain=VIR_FROM_QEMU)
