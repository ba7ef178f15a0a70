"""A serial port and where its bytes go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model import Serial
from embervirt.drivers.qemu.model.address import number
from embervirt.drivers.qemu.parts.names import device_id
from embervirt.drivers.qemu.parts.part import Chardev, Device, Part


def parts(serial: Serial, index: int, log: str | None) -> Iterable[Part]:
    """``index`` counts the serial ports from 0; ``log`` is the file for a pty that names none."""
    id_ = device_id(serial.alias, f"serial{index}")
    yield Chardev(f"char{id_}", serial.type, {**_backend(serial), **_log(serial, log)})
    props: dict[str, Any] = {"chardev": f"char{id_}", "index": serial.port or 0}
    if serial.address and serial.address.type == "isa":
        place = {"iobase": serial.address.iobase, "irq": serial.address.irq}
        props |= {key: number(text) for key, text in place.items() if text is not None}
    yield Device("isa-serial", id_, props)


def _backend(serial: Serial) -> dict[str, Any]:
    if serial.type != "file" or serial.source is None:
        return {}
    append = {} if serial.source.append is None else {"append": serial.source.append}
    return {"out": serial.source.path, **append}


def _log(serial: Serial, log: str | None) -> dict[str, Any]:
    if serial.log:
        append = {} if serial.log.append is None else {"logappend": serial.log.append}
        return {"logfile": serial.log.file, **append}
    if log and serial.type == "pty":
        return {"logfile": log, "logappend": True}
    return {}
