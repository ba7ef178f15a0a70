"""``<domain>`` and ``<devices>``: the whole guest."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

from embervirt.drivers.qemu.model.chardev import Console, Serial
from embervirt.drivers.qemu.model.clock import Clock
from embervirt.drivers.qemu.model.controller import Controller
from embervirt.drivers.qemu.model.cpu import Cpu
from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.qemu.model.disk import Disk
from embervirt.drivers.qemu.model.features import Features
from embervirt.drivers.qemu.model.graphics import Graphics
from embervirt.drivers.qemu.model.hub import Hub
from embervirt.drivers.qemu.model.input import Input
from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.memballoon import Memballoon
from embervirt.drivers.qemu.model.memory import MemoryBacking, Vcpu
from embervirt.drivers.qemu.model.os import Os
from embervirt.drivers.qemu.model.rng import Rng
from embervirt.drivers.qemu.model.sound import Audio, Sound
from embervirt.drivers.qemu.model.video import Video
from embervirt.drivers.xml import (
    Element,
    attr,
    child,
    children,
    choice,
    foreign,
    integer,
    parse,
    raw,
    size,
    text,
    uuid,
)
from embervirt.errors import ConfigUnsupported

_QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
_ENDS = ("destroy", "restart", "preserve", "rename-restart")
_end = choice(*_ENDS, error=ConfigUnsupported)
_crash = choice(*_ENDS, "coredump-destroy", "coredump-restart", error=ConfigUnsupported)


class Devices(
    Element,
    tag="devices",
    refuse=(
        *(
            "channel",
            "parallel",
            "hostdev",
            "redirdev",
            "redirfilter",
            "smartcard",
        ),
        *(
            "tpm",
            "watchdog",
            "filesystem",
            "panic",
            "shmem",
            "memory",
            "vsock",
            "iommu",
            "nvram",
            "lease",
        ),
        *("crypto", "pstore"),
    ),
):
    """In libvirt's order. ``emulator`` is an absolute path; never None after ``postparse``."""

    emulator: str | None = text("emulator", default=None)
    disks: tuple[Disk, ...] = children(Disk, default=())
    controllers: tuple[Controller, ...] = children(Controller, default=())
    interfaces: tuple[Interface, ...] = children(Interface, default=())
    serials: tuple[Serial, ...] = children(Serial, default=())
    consoles: tuple[Console, ...] = children(Console, default=())
    inputs: tuple[Input, ...] = children(Input, default=())
    graphics: tuple[Graphics, ...] = children(Graphics, default=())
    sounds: tuple[Sound, ...] = children(Sound, default=())
    audios: tuple[Audio, ...] = children(Audio, default=())
    videos: tuple[Video, ...] = children(Video, default=())
    hubs: tuple[Hub, ...] = children(Hub, default=())
    memballoons: tuple[Memballoon, ...] = children(Memballoon, default=())
    rngs: tuple[Rng, ...] = children(Rng, default=())

    @property
    def lists(self) -> dict[str, tuple[Any, ...]]:
        """Each list of devices by its field's name."""
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, tuple)}

    @property
    def all(self) -> tuple[Device, ...]:
        """Everything that can have an alias and an address."""
        return tuple(each for found in self.lists.values() for each in found if isinstance(each, Device))


class Domain(
    Element,
    tag="domain",
    refuse=(
        *(
            "genid",
            "maxMemory",
            "blkiotune",
            "memtune",
            "vcpus",
            "iothreads",
            "iothreadids",
            "defaultiothread",
        ),
        *(
            "cputune",
            "numatune",
            "resource",
            "sysinfo",
            "bootloader",
            "bootloader_args",
            "idmap",
            "perf",
            "pm",
        ),
        *("keywrap", "launchSecurity", "seclabel", "on_lockfailure"),
        *(_QEMU + name for name in ("commandline", "capabilities", "override", "deprecation")),
    ),
):
    """``name`` and ``uuid`` are empty only before ``postparse`` and ``validate``; sizes are KiB.

    ``id`` is a running guest's number; a definition has none.
    """

    type: str = attr(
        "type",
        choice(
            "qemu", "kvm", error=ConfigUnsupported, later=("hvf", "xen", "kqemu", "test", "vmware", "bhyve")
        ),
    )
    id: int | None = attr("id", integer(1, 2**31 - 1), default=None)
    name: str = text("name", default="")
    uuid: str = text("uuid", uuid, default="")
    title: str | None = text("title", default=None)
    description: str | None = text("description", default=None)
    metadata: str | None = raw("metadata", default=None)
    memory: int = size("memory", default=0)
    current_memory: int | None = size("currentMemory", default=None)
    memory_backing: MemoryBacking | None = child(MemoryBacking, default=None)
    vcpu: Vcpu = child(Vcpu, default=Vcpu())
    os: Os = child(Os)
    features: Features | None = child(Features, default=None)
    cpu: Cpu | None = child(Cpu, default=None)
    clock: Clock = child(Clock, default=Clock())
    on_poweroff: str = text("on_poweroff", _end, default="destroy")
    on_reboot: str = text("on_reboot", _end, default="restart")
    on_crash: str = text("on_crash", _crash, default="destroy")
    devices: Devices = child(Devices, default=Devices())
    foreign: tuple[str, ...] = foreign(default=())

    @property
    def q35(self) -> bool:
        """Whether the machine is a q35, with PCI Express; the other one served is pc."""
        return (self.os.type.machine or "").startswith("pc-q35")

    @property
    def vcpus(self) -> int:
        """How many virtual CPUs it starts with; ``vcpu.count`` is how many it can have."""
        return self.vcpu.current or self.vcpu.count

    @property
    def memory_in_file(self) -> bool:
        """Whether its memory is a file of the host: when the XML says so, or says how it is shared."""
        backing = self.memory_backing
        source = backing.source.type if backing and backing.source else None
        return source == "file" or (source != "memfd" and backing is not None and backing.access is not None)


@lru_cache(maxsize=1024)
def model_of(xml: str) -> Domain:
    """The model of a definition that was accepted once; errors as ``parse``'s."""
    return parse(Domain, xml)
