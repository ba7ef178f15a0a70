"""Serial ports and consoles: the first of either makes the other, and the console is its mirror."""

from __future__ import annotations

from dataclasses import replace

from embervirt.drivers.qemu.model.chardev import Console, ConsoleTarget, Serial, SerialTarget, TargetModel

Ports = tuple[tuple[Serial, ...], tuple[Console, ...]]


def complete(serials: tuple[Serial, ...], consoles: tuple[Console, ...]) -> Ports:
    """Every port has a number, and the first serial port is the first console."""
    if consoles and not serials:
        first = consoles[0]
        serials = (Serial(type=first.type, source=first.source, log=first.log),)
    numbered = _numbered(serials)
    if not numbered:
        return (), ()
    serial = numbered[0]
    target = ConsoleTarget(type="serial", port=serial.port)
    mirror = Console(type=serial.type, source=serial.source, log=serial.log, target=target)
    rest = tuple(replace(console, tty=None) for console in consoles[1:])
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
        done.append(replace(serial, source=source, target=target))
    return tuple(done)
