"""``<domain>`` and ``<devices>``: the whole guest."""

from __future__ import annotations

import builtins
import itertools
from typing import Any, TypeVar

from embervirt.drivers.qemu.model import passthrough
from embervirt.drivers.qemu.model.chardev import Channel, Console, Parallel, Serial
from embervirt.drivers.qemu.model.clock import Clock, Pm
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
from embervirt.drivers.qemu.model.memory import MaxMemory, MemoryBacking, Vcpu, Vcpus
from embervirt.drivers.qemu.model.numa import Cell
from embervirt.drivers.qemu.model.os import Os
from embervirt.drivers.qemu.model.panic import Panic
from embervirt.drivers.qemu.model.rng import Rng
from embervirt.drivers.qemu.model.sound import Audio, Sound
from embervirt.drivers.qemu.model.sysinfo import SysInfo
from embervirt.drivers.qemu.model.tpm import Tpm
from embervirt.drivers.qemu.model.tuning import (
    BlkioTune,
    CpuTune,
    DefaultIoThread,
    IdMap,
    IoThread,
    IoThreadIds,
    Label,
    MemTune,
    NumaTune,
    Resource,
)
from embervirt.drivers.qemu.model.video import Video
from embervirt.drivers.qemu.model.vsock import Vsock
from embervirt.drivers.qemu.model.watchdog import Watchdog
from embervirt.drivers.xml import (
    Element,
    attr,
    beside,
    child,
    children,
    choice,
    content,
    foreign,
    integer,
    on_off,
    parse,
    raw,
    render,
    size,
    text,
    uuid,
)
from embervirt.drivers.xml.bindings import Children
from embervirt.drivers.xml.codecs import Uuid
from embervirt.errors import ConfigUnsupported, InternalError

E = TypeVar("E", bound=Element)

MOST_IOTHREADS = 1 << 14
"""What no host has; a number that is not the user's must not fill the memory."""

_ENDS = ("destroy", "restart", "preserve", "rename-restart")
_end = choice(*_ENDS, error=ConfigUnsupported)
_crash = choice(*_ENDS, "coredump-destroy", "coredump-restart", error=ConfigUnsupported)


class Devices(
    Element,
    tag="devices",
    refuse=(
        *(
            "hostdev",
            "redirdev",
            "redirfilter",
            "smartcard",
        ),
        *(
            "filesystem",
            "shmem",
            "memory",
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
    parallels: tuple[Parallel, ...] = children(Parallel, default=())
    consoles: tuple[Console, ...] = children(Console, default=())
    channels: tuple[Channel, ...] = children(Channel, default=())
    inputs: tuple[Input, ...] = children(Input, default=())
    tpms: tuple[Tpm, ...] = children(Tpm, default=())
    graphics: tuple[Graphics, ...] = children(Graphics, default=())
    sounds: tuple[Sound, ...] = children(Sound, default=())
    audios: tuple[Audio, ...] = children(Audio, default=())
    videos: tuple[Video, ...] = children(Video, default=())
    hubs: tuple[Hub, ...] = children(Hub, default=())
    watchdogs: tuple[Watchdog, ...] = children(Watchdog, default=())
    memballoons: tuple[Memballoon, ...] = children(Memballoon, default=())
    rngs: tuple[Rng, ...] = children(Rng, default=())
    panics: tuple[Panic, ...] = children(Panic, default=())
    vsocks: tuple[Vsock, ...] = children(Vsock, default=())

    @property
    def lists(self) -> dict[str, tuple[Any, ...]]:
        """Each list of devices by its field's name."""
        given = self.__dict__.get
        return {name: given(name, ()) for name in _LISTS}

    @property
    def present(self) -> dict[str, tuple[Any, ...]]:
        """The same of those that are not empty, in any order."""
        return {name: found for name, found in self.__dict__.items() if found and name in _IS_LIST}

    @property
    def all(self) -> tuple[Device, ...]:
        """Everything that can have an alias and an address."""
        return tuple(each for found in self.lists.values() for each in found if isinstance(each, Device))


_LISTS = tuple(name for name, binding in Devices.__schema__.bindings.items() if isinstance(binding, Children))
_IS_LIST = frozenset(_LISTS)


class GenId(Element, tag="genid"):
    """What tells the guest that it is a copy; empty only before ``postparse``."""

    value: str = content(Uuid(InternalError), default="")


class Domain(
    Element,
    tag="domain",
    refuse=("bootloader", "bootloader_args", "perf", "keywrap", "launchSecurity"),
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
    genid: GenId | None = child(GenId, default=None)
    title: str | None = text("title", default=None)
    description: str | None = text("description", default=None)
    metadata: str | None = raw("metadata", default=None)
    max_memory: MaxMemory | None = child(MaxMemory, default=None)
    memory: int = size("memory", default=0, beside=("dumpCore",))
    dump_core: bool | None = beside("memory", "dumpCore", on_off, default=None)
    current_memory: int | None = size("currentMemory", default=None)
    blkiotune: BlkioTune | None = child(BlkioTune, default=None)
    memtune: MemTune | None = child(MemTune, default=None)
    memory_backing: MemoryBacking | None = child(MemoryBacking, default=None)
    vcpu: Vcpu = child(Vcpu, default=Vcpu(count=1))
    single_vcpus: Vcpus | None = child(Vcpus, default=None)
    iothread_count: int | None = text("iothreads", integer(0, MOST_IOTHREADS), default=None)
    iothread_ids: IoThreadIds | None = child(IoThreadIds, default=None)
    default_iothread: DefaultIoThread | None = child(DefaultIoThread, default=None)
    cputune: CpuTune | None = child(CpuTune, default=None)
    numatune: NumaTune | None = child(NumaTune, default=None)
    resource: Resource | None = child(Resource, default=None)
    sysinfos: tuple[SysInfo, ...] = children(SysInfo, default=())
    os: Os = child(Os)
    idmap: IdMap | None = child(IdMap, default=None)
    features: Features | None = child(Features, default=None)
    cpu: Cpu | None = child(Cpu, default=None)
    clock: Clock = child(Clock, default=Clock())
    on_poweroff: str = text("on_poweroff", _end, default="destroy")
    on_reboot: str = text("on_reboot", _end, default="restart")
    on_crash: str = text("on_crash", _crash, default="destroy")
    on_lockfailure: str | None = text(
        "on_lockfailure",
        choice("poweroff", "restart", "pause", "ignore", error=ConfigUnsupported),
        default=None,
    )
    pm: Pm | None = child(Pm, default=None)
    devices: Devices = child(Devices, default=Devices())
    labels: tuple[Label, ...] = children(Label, default=())
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
    def cells(self) -> tuple[Cell, ...]:
        """The guest's NUMA nodes."""
        return self.cpu.numa.cells if self.cpu and self.cpu.numa else ()

    @property
    def iothreads(self) -> tuple[IoThread, ...]:
        """Threads for I/O: those with numbers, and the missing ones with the lowest free numbers."""
        named = self.iothread_ids.iothreads if self.iothread_ids else ()
        taken = {thread.id for thread in named}
        missing = max(0, (self.iothread_count or 0) - len(named))
        free = (number for number in itertools.count(1) if number not in taken)
        return (*named, *(IoThread(id=number) for number in itertools.islice(free, missing)))

    @property
    def memory_in_file(self) -> bool:
        """Whether its memory is a file of the host: when the XML says so, or says how it is shared."""
        backing = self.memory_backing
        source = backing.source.type if backing and backing.source else None
        shared = (backing is not None and backing.access) or any(cell.access for cell in self.cells)
        return source == "file" or (source != "memfd" and bool(shared))

    def find(self, cls: builtins.type[E]) -> E | None:
        """What libvirt's QEMU namespace says: one of the classes of ``passthrough``. Raises XmlError."""
        return passthrough.find(cls, self.foreign)


_MODELS = 1024
"""At most so many are remembered."""
_models: dict[str, Domain] = {}


def model_of(xml: str) -> Domain:
    """The model of a definition that was accepted once; errors as ``parse``'s."""
    known = _models.get(xml)
    return _remembered(xml, parse(Domain, xml)) if known is None else known


def written(domain: Domain) -> str:
    """As ``render``, for a domain that was read and completed. It reads back as itself: that is spared."""
    xml = render(domain)
    _remembered(xml, domain)
    return xml


def _remembered(xml: str, domain: Domain) -> Domain:
    if len(_models) >= _MODELS:
        _models.clear()
    _models[xml] = domain
    return domain
