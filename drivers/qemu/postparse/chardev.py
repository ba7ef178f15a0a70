"""Ports of the guest: their numbers, a serial port's model, and the console that mirrors the first one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from embervirt.drivers.qemu.model import Devices
from embervirt.drivers.qemu.model.address import VirtioSerialAddress
from embervirt.drivers.qemu.model.chardev import (
    ISA,
    SERIALS,
    Channel,
    Console,
    ConsoleTarget,
    Parallel,
    ParallelTarget,
    Serial,
    SerialTarget,
    TargetModel,
)
from embervirt.drivers.qemu.model.chardev_source import CharSource
from embervirt.drivers.qemu.postparse.chardev_source import complete as complete_source
from embervirt.drivers.xml import replace


def complete(devices: Devices) -> Devices:
    """With its serial and parallel ports, consoles and channels as libvirt has them."""
    serials, consoles = devices.serials, tuple(replace(each, tty=None) for each in devices.consoles)
    first = consoles[0] if consoles else None
    if first and not first.virtio and not serials:
        serials = (_moved(first),)
    serials = _serials(map(complete_source, serials))
    return replace(
        devices,
        serials=serials,
        parallels=_parallels(map(complete_source, devices.parallels)),
        consoles=_consoles(serials, tuple(map(complete_source, consoles))),
        channels=tuple(map(_channel, devices.channels)),
    )


def _moved(console: Console) -> Serial:
    """The serial port that a lone console stands for."""
    return Serial(
        type=console.type,
        sources=console.sources,
        protocol=console.protocol,
        log=console.log,
        alias=console.alias,
        address=console.address,
    )


def _serials(ports: Iterable[Serial]) -> tuple[Serial, ...]:
    given = list(ports)
    done = []
    for serial, number in zip(given, _numbers(_isa_numbers(given), overall=True), strict=True):
        target = serial.target or SerialTarget()
        type_ = target.type or ISA
        model = target.model or TargetModel(name=SERIALS[type_])
        done.append(replace(serial, target=SerialTarget(type=type_, port=number, model=model)))
    return tuple(done)


def _isa_numbers(serials: list[Serial]) -> list[int | None]:
    """A port that is said to be of ISA gets the lowest number that no other one of ISA has."""
    types = [serial.target.type if serial.target else None for serial in serials]
    ports = [None if serial.port is None or serial.port < 0 else serial.port for serial in serials]
    pairs = list(zip(types, ports, strict=True))
    taken = {port for type_, port in pairs if type_ in (None, ISA)}
    free = (number for number in itertools.count() if number not in taken)
    return [next(free) if type_ == ISA and port is None else port for type_, port in pairs]


def _parallels(ports: Iterable[Parallel]) -> tuple[Parallel, ...]:
    given = list(ports)
    numbers = _numbers([port.target.port if port.target else None for port in given], overall=False)
    return tuple(
        replace(port, target=ParallelTarget(port=number)) for port, number in zip(given, numbers, strict=True)
    )


def _numbers(given: list[int | None], *, overall: bool) -> list[int]:
    """Ports that have no number get the one after the highest before them, or of all."""
    highest = max((number for number in given if number is not None and overall), default=-1)
    done: list[int] = []
    for number in given:
        done.append(max(highest, -1) + 1 if number is None or number < 0 else number)
        highest = max(highest, done[-1])
    return done


def _consoles(serials: tuple[Serial, ...], consoles: tuple[Console, ...]) -> tuple[Console, ...]:
    """The first serial port is the first console too: if there is one for it, or the port is of a PC."""
    first = -1 if _was_alone(serials, consoles) else 0
    if serials and consoles and not consoles[0].virtio:
        consoles = (mirror(serials[0]), *consoles[1:])
    elif serials and serials[0].target and serials[0].target.type == ISA:
        return (mirror(serials[0]), *map(_numbered, consoles, itertools.count()))
    return tuple(map(_numbered, consoles, itertools.count(first)))


def _was_alone(serials: tuple[Serial, ...], consoles: tuple[Console, ...]) -> bool:
    """Whether the port had no console in the XML of the first definition: libvirt counted the others without.

    It counts again when its own XML is defined once more; here a definition stays what it is.
    """
    if (
        not serials
        or not consoles
        or consoles[0].target != ConsoleTarget(type="serial", port=serials[0].port)
    ):
        return False
    ports = [console.target.port for console in consoles if console.virtio and console.target]
    return bool(ports) and ports == list(range(len(consoles) - 1))


def mirror(serial: Serial) -> Console:
    """The console that a serial port is."""
    return Console(
        type=serial.type,
        sources=serial.sources,
        protocol=serial.protocol,
        log=serial.log,
        target=ConsoleTarget(type="serial", port=serial.port),
        alias=serial.alias,
        address=serial.address,
    )


def _numbered(console: Console, number: int) -> Console:
    """A virtio console's port is its place among all."""
    return replace(console, target=ConsoleTarget(type="virtio", port=number)) if console.virtio else console


def _channel(channel: Channel) -> Channel:
    """Without what belongs to a run: whether it is open, and the path of a socket that was made for one."""
    done = complete_source(channel)
    if done.target is None or not done.virtio:
        return done
    target = replace(done.target, state=None, address=None, port=None)
    place = done.address if isinstance(done.address, VirtioSerialAddress) else None
    return replace(done, target=target, address=place, sources=_lasting(done))


def _lasting(channel: Channel) -> tuple[CharSource, ...]:
    """libvirt knows a socket of a run by the end of its path: ``/domain-ID-NAME/CHANNEL``."""
    if channel.own_socket:
        return ()
    path = channel.source.path if channel.type == "unix" and channel.source else None
    made = path is not None and re.search(f"domain-[^/]+/{re.escape(_name(channel))}$", path)
    return () if made else channel.sources


def _name(channel: Channel) -> str:
    return (channel.target.name if channel.target else None) or ""
