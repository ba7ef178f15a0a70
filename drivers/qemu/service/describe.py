"""A running guest as it is published: its live XML and the record that readers get."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from embervirt.actors.work import Work
from embervirt.drivers.qemu.aliases import named
from embervirt.drivers.qemu.model import Console, Domain, Serial
from embervirt.drivers.qemu.model.chardev import CharSource
from embervirt.drivers.qemu.plan import Plan
from embervirt.drivers.qemu.states import State
from embervirt.drivers.qemu.store import Record
from embervirt.drivers.qemu.tables import Running
from embervirt.drivers.xml import render
from embervirt.errors import InvalidArgument

PTY = "pty:"


def running(plan: Plan, record: Record, state: State) -> Running:
    """What readers see of this run."""
    domain = live(plan.domain, plan.id, record.ptys)
    identity = record.process.identity
    return Running(domain.uuid, domain.name, plan.id, state, render(domain), record.xml, domain, identity)


def ptys(chardevs: list[dict[str, Any]]) -> dict[str, str]:
    """Paths of the ptys by the chardev's label."""
    found = {each["label"]: each["filename"] for each in chardevs}
    return {label: name.removeprefix(PTY) for label, name in found.items() if name.startswith(PTY)}


def live(domain: Domain, id_: int, paths: dict[str, str]) -> Domain:
    """The definition with what this run adds: its id, and the pty of each port."""
    devices = named(domain).devices
    serials = tuple(_serial(port, paths.get(f"char{port.id}")) for port in devices.serials)
    consoles = (_console(devices.consoles[0], serials[0]),) if serials and devices.consoles else ()
    ports = replace(devices, serials=serials, consoles=(*consoles, *devices.consoles[1:]))
    return replace(domain, id=id_, devices=ports)


def _serial(port: Serial, path: str | None) -> Serial:
    return port if path is None else replace(port, source=CharSource(path=path))


def _console(console: Console, serial: Serial) -> Console:
    path = serial.source.path if serial.type == "pty" and serial.source else None
    return replace(console, source=serial.source, tty=path)


def passthrough(ask: Callable[..., Work[Any]], command: str) -> Work[str]:
    """Execute ``{"execute": ..., "arguments": {...}}``; the return value as JSON. Raises MonitorError."""
    try:
        asked = json.loads(command)
        name, arguments = asked["execute"], asked.get("arguments")
    except (ValueError, TypeError, KeyError) as error:
        expected = '{"execute": "query-status", "arguments": {}}'
        text = f"monitor command {command[:80]!r}: expected JSON such as {expected}"
        raise InvalidArgument(text) from error
    return json.dumps((yield from ask(name, arguments)))
