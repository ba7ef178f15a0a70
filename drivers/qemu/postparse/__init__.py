"""What libvirt fills in when a domain is defined: a pure function but for new UUIDs and MAC addresses.

``postparse(postparse(d)) == postparse(d)``. Source of each default: an installed libvirt 9.0 asked
with the shortest XML that shows it.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from embervirt.drivers.qemu.model.address import Address, Alias
from embervirt.drivers.qemu.model.chardev import Console, ConsoleTarget, Serial, SerialTarget, TargetModel
from embervirt.drivers.qemu.model.controller import Controller
from embervirt.drivers.qemu.model.disk import Disk, DiskDriver
from embervirt.drivers.qemu.model.domain import Devices, Domain
from embervirt.drivers.qemu.model.interface import Interface, InterfaceModel, Mac
from embervirt.drivers.qemu.model.os import Boot, Cpu, CpuModel, Os
from embervirt.drivers.qemu.model.virtual import Memballoon, Rng

if TYPE_CHECKING:
    from embervirt.drivers.qemu.capabilities import Capabilities

Aliased = TypeVar("Aliased", Disk, Controller, Interface, Serial, Memballoon, Rng)
_BUSES = {"vd": "virtio", "sd": "scsi", "hd": "ide", "fd": "fdc", "xvd": "xen", "ubd": "uml"}
_TARGET = re.compile("(vd|sd|hd|fd|xvd|ubd)([a-z]{1,6})")
_DISKS_ON = {"ide": 4, "sata": 6}
DEFAULT_CPU = "qemu64"
"""What every x86_64 machine of QEMU has when nobody says otherwise (query-machines, default-cpu-type)."""


def postparse(domain: Domain, caps: Capabilities) -> Domain:
    """The domain with all that libvirt adds; a definition, so without the traces of a run."""
    memory = domain.memory
    return replace(
        domain,
        id=None,
        uuid=domain.uuid or str(uuid4()),
        current_memory=min(domain.current_memory or memory, memory),
        os=_os(domain.os, caps),
        cpu=_cpu(domain.cpu),
        devices=_devices(domain.devices, caps),
    )


def _os(os: Os, caps: Capabilities) -> Os:
    arch = os.type.arch or caps.arch
    machine = os.type.machine or _default_machine(caps)
    concrete = caps.aliases.get(machine, machine)
    return replace(
        os, type=replace(os.type, arch=arch, machine=concrete), boots=os.boots or (Boot(dev="hd"),)
    )


def _default_machine(caps: Capabilities) -> str:
    return next((name for name, machine in sorted(caps.machines.items()) if machine.default), "pc")


def _cpu(cpu: Cpu | None) -> Cpu:
    if cpu is None or (cpu.mode == "custom" and cpu.model is None):
        topology = cpu.topology if cpu else None
        model = CpuModel(fallback="forbid", name=DEFAULT_CPU)
        return Cpu(mode="custom", match="exact", check="none", model=model, topology=topology)
    if cpu.mode == "custom":
        return replace(cpu, match=cpu.match or "exact", check=cpu.check or "none")
    migratable = True if cpu.mode == "host-passthrough" and cpu.migratable is None else cpu.migratable
    return replace(cpu, check=cpu.check or "none", migratable=migratable)


def _devices(devices: Devices, caps: Capabilities) -> Devices:
    serials, consoles = _ports(devices.serials, devices.consoles)
    disks = _sorted_disks(map(_disk, devices.disks))
    return replace(
        devices,
        emulator=devices.emulator or caps.binary,
        disks=disks,
        controllers=_controllers(devices.controllers, disks),
        interfaces=tuple(map(_interface, devices.interfaces)),
        serials=serials,
        consoles=consoles,
        inputs=tuple(replace(item, bus=item.bus or "ps2", alias=None) for item in devices.inputs),
        memballoons=tuple(map(_unaliased, devices.memballoons)) or (Memballoon(model="virtio"),),
        rngs=tuple(map(_rng, devices.rngs)),
    )


def _own_alias(alias: Alias | None) -> Alias | None:
    return alias if alias and alias.name.startswith("ua-") else None


def _unaliased(device: Aliased) -> Aliased:
    return replace(device, alias=_own_alias(device.alias))


def disk_index(dev: str) -> int | None:
    """``vda`` is 0, ``vdz`` 25, ``vdaa`` 26; None for what is no disk's name."""
    match = _TARGET.fullmatch(dev)
    if match is None:
        return None
    index = 0
    for letter in match[2]:
        index = index * 26 + string.ascii_lowercase.index(letter) + 1
    return index - 1


def _disk(disk: Disk) -> Disk:
    disk = _unaliased(replace(disk, driver=disk.driver or DiskDriver()))
    if disk.device == "cdrom":
        disk = replace(disk, readonly=True)
    match = _TARGET.fullmatch(disk.dev)
    if disk.target and match:
        disk = replace(disk, target=replace(disk.target, bus=disk.target.bus or _BUSES[match[1]]))
    return replace(disk, address=disk.address or _drive(disk))


def _drive(disk: Disk) -> Address | None:
    """Where an IDE or SATA disk goes by its name; QEMU chooses for the others."""
    places, index = _DISKS_ON.get(disk.bus or ""), disk_index(disk.dev)
    if places is None or index is None:
        return None
    controller, place = divmod(index, places)
    bus, unit = divmod(place, 2) if disk.bus == "ide" else (0, place)
    return Address(type="drive", controller=str(controller), bus=str(bus), target="0", unit=str(unit))


def _sorted_disks(disks: Iterable[Disk]) -> tuple[Disk, ...]:
    """Disks of one bus in the order of their names; buses in the order they come."""
    listed = list(disks)
    buses = list(dict.fromkeys(disk.bus for disk in listed))
    return tuple(sorted(listed, key=lambda disk: (buses.index(disk.bus), disk_index(disk.dev) or 0)))


def _controllers(controllers: tuple[Controller, ...], disks: tuple[Disk, ...]) -> tuple[Controller, ...]:
    """Numbered within their type, and one for each IDE or SATA disk that has none."""
    done: list[Controller] = []
    for controller in map(_unaliased, controllers):
        used = [other.index for other in (*controllers, *done) if other.type == controller.type]
        free = next(number for number in range(len(used) + 1) if number not in used)
        done.append(controller if controller.index is not None else replace(controller, index=free))
    for disk in disks:
        if disk.bus in _DISKS_ON and disk.address and disk.address.type == "drive":
            wanted = (disk.bus, int(disk.address.controller or "0", 0))
            if wanted not in [(controller.type, controller.index) for controller in done]:
                done.append(Controller(type=wanted[0], index=wanted[1]))
    return tuple(done)


def _interface(interface: Interface) -> Interface:
    address = interface.mac or Mac(address="52:54:00:" + secrets.token_bytes(3).hex(":"))
    model = interface.model or InterfaceModel(type="rtl8139")
    return _unaliased(replace(interface, mac=address, model=model))


def _rng(rng: Rng) -> Rng:
    backend = rng.backend
    if backend.model == "random" and not backend.path:
        rng = replace(rng, backend=replace(backend, path="/dev/random"))
    return _unaliased(rng)


def _ports(
    serials: tuple[Serial, ...], consoles: tuple[Console, ...]
) -> tuple[tuple[Serial, ...], tuple[Console, ...]]:
    """Serial ports and consoles: the first of either makes the other, and the console is its mirror."""
    if consoles and not serials:
        first = consoles[0]
        serials = (Serial(type=first.type, source=first.source, log=first.log),)
    numbered = _numbered(serials)
    if not numbered:
        return (), ()
    serial = numbered[0]
    target = ConsoleTarget(type="serial", port=serial.port)
    mirror = Console(type=serial.type, source=serial.source, log=serial.log, target=target)
    rest = tuple(replace(console, tty=None, alias=None) for console in consoles[1:])
    return numbered, (mirror, *rest)


def _numbered(serials: tuple[Serial, ...]) -> tuple[Serial, ...]:
    """Ports that have no number get the ones after the highest given."""
    highest = max((serial.port for serial in serials if serial.port is not None), default=-1)
    done = []
    for serial in serials:
        port = serial.port
        if port is None:
            port = highest = highest + 1
        target = SerialTarget(type="isa-serial", port=port, model=TargetModel(name="isa-serial"))
        source = None if serial.type in ("pty", "null") else serial.source
        done.append(_unaliased(replace(serial, source=source, target=target)))
    return tuple(done)
