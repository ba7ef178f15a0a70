"""Ports of the guest: the backend on the host, then the device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model import Channel, Console, Parallel, Serial
from embervirt.drivers.qemu.model.chardev import ISA, SERIALS
from embervirt.drivers.qemu.model.chardev_source import Log
from embervirt.drivers.qemu.parts import chardev_source as source
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Device, Netdev, Part


def serial(port: Serial, build: Build) -> Iterable[Part]:
    """On ISA it has its number; a debug console has its own address."""
    yield from source.parts(port, f"char{port.id}", build, log=_console_log(port, build))
    type_ = (port.target.type if port.target else None) or ISA
    props: dict[str, Any] = {"chardev": f"char{port.id}"}
    if type_ == ISA:
        props["index"] = port.port or 0
    yield Device(SERIALS[type_], port.id, {**props, **place(port, build)})


def _console_log(port: Serial, build: Build) -> Log | None:
    """The run's own log of the first port, if that is a pty."""
    if build.run.console_log and port.type == "pty" and port is build.domain.devices.serials[0]:
        return Log(file=build.run.console_log, append=True)
    return None


def parallel(port: Parallel, build: Build) -> Iterable[Part]:
    """QEMU takes the next free one of a PC."""
    yield from source.parts(port, f"char{port.id}", build, device="parallel")
    yield Device("isa-parallel", port.id, {"chardev": f"char{port.id}"})


def console(port: Console, build: Build) -> Iterable[Part]:
    """Nothing for the mirror of a serial port."""
    if port.virtio:
        yield from source.parts(port, f"char{port.id}", build)
        yield Device("virtconsole", port.id, {"chardev": f"char{port.id}", **place(port, build)})


def channel(port: Channel, build: Build) -> Iterable[Part]:
    """A port of a virtio-serial controller, or an address of the user network whose connections go there."""
    target = port.target
    if target is None:
        return
    chardev = f"char{port.id}"
    yield from source.parts(port, chardev, build)
    if target.type == "guestfwd":
        forward = f"tcp:{target.address}:{target.port}-chardev:{chardev}"
        yield Netdev("user", port.id, {"guestfwd": [{"str": forward}]})
    else:
        name = {} if target.name is None else {"name": target.name}
        where = place(port, build)
        yield Device("virtserialport", port.id, {"chardev": chardev, **name, **where})
