"""A serial port and where its bytes go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from embervirt.drivers.qemu.model import Serial
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.bus import place
from embervirt.drivers.qemu.parts.part import Chardev, Device, Part


def parts(serial: Serial, build: Build) -> Iterable[Part]:
    """The backend, then the port."""
    yield Chardev(f"char{serial.id}", serial.type, {**_backend(serial), **_log(serial, build)})
    props: dict[str, Any] = {"chardev": f"char{serial.id}", "index": serial.port or 0}
    yield Device("isa-serial", serial.id, {**props, **place(serial.address, build)})


def _backend(serial: Serial) -> dict[str, Any]:
    if serial.type != "file" or serial.source is None:
        return {}
    append = {} if serial.source.append is None else {"append": serial.source.append}
    return {"out": serial.source.path, **append}


def _log(serial: Serial, build: Build) -> dict[str, Any]:
    """The XML's log file, or the run's own for the first port if that is a pty."""
    if serial.log:
        append = {} if serial.log.append is None else {"logappend": serial.log.append}
        return {"logfile": serial.log.file, **append}
    if build.run.console_log and serial.type == "pty" and serial is build.domain.devices.serials[0]:
        return {"logfile": build.run.console_log, "logappend": True}
    return {}
