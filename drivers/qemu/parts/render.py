"""The renderings of a part: arguments of the command line, a QMP command, the QMP command that undoes it.

Options that take JSON get JSON (QEMU 6.0 and later for all used here); the others ``key=value`` with
commas doubled, as QEMU's QemuOpts read them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from embervirt.drivers.qemu.parts.part import (
    Audiodev,
    Blockdev,
    Chardev,
    Device,
    MachineOptions,
    Netdev,
    Object,
    Option,
    Part,
    Pluggable,
    WatchdogAction,
    Word,
)

Command = tuple[str, dict[str, Any]]
"""A QMP command and its arguments."""

_PATHS = {"out": "path", "device": "path"}
"""Where the command line has another name than QMP for a property of ``-chardev``."""

_ACTION = "watchdog-set-action"
_CLIENT = ("server", False)
"""QMP must be told of a socket that it connects, the command line must not."""


def argv(parts: Iterable[Part]) -> list[str]:
    """The arguments of all parts, in their order."""
    return [word for part in parts for word in arguments(part)]


def arguments(part: Part) -> list[str]:
    """What one part is on the command line."""
    match part:
        case Option(name, value):
            return [f"-{name}"] if value is None else [f"-{name}", value]
        case Word():
            return [part.text]
        case MachineOptions(kind, props):
            return ["-machine", options(kind, props)]
        case Chardev(id_, backend, props):
            return ["-chardev", options(backend, {"id": id_, **_flat(backend, props)})]
        case Object():
            return ["-object", _json(_properties(part))]
        case Audiodev(driver, id_, props):
            return ["-audiodev", _json({"id": id_, "driver": driver, **props})]
        case Blockdev():
            return ["-blockdev", _json(_properties(part))]
        case Netdev():
            return ["-netdev", _json(_properties(part))]
        case Device():
            return ["-device", _json(_properties(part))]
        case WatchdogAction(action):
            return ["-watchdog-action", action]


def _flat(backend: str, props: Mapping[str, Any]) -> dict[str, Any]:
    """A chardev's properties on the command line, which has no structures."""
    match backend:
        case "socket":
            rest = {key: value for key, value in props.items() if key != "addr" and (key, value) != _CLIENT}
            where = props["addr"]["data"]
            return {**({"fd": where["str"]} if "str" in where else where), **rest}
        case "udp":
            near, far = props["local"]["data"], props["remote"]["data"]
            rest = {key: value for key, value in props.items() if key not in ("local", "remote")}
            return {**far, "localaddr": near["host"], "localport": near["port"], **rest}
        case "qemu-vdagent":
            return {"name": "vdagent", **props}
        case _:
            return {_PATHS.get(key, key): value for key, value in props.items()}


def plug(part: Pluggable) -> Command:
    """The QMP command that adds a part to a running QEMU."""
    match part:
        case Object():
            return "object-add", _properties(part)
        case Blockdev():
            return "blockdev-add", _properties(part)
        case Netdev():
            return "netdev_add", _properties(part)
        case Chardev(id_, backend, props):
            return "chardev-add", {"id": id_, "backend": {"type": backend, "data": dict(props)}}
        case WatchdogAction(action):
            return _ACTION, {"action": action}
        case _:
            return "device_add", _properties(part)


def unplug(part: Pluggable) -> Command:
    """The QMP command that takes it away again. ``device_del`` only asks; an event tells when it is done."""
    match part:
        case Object(id=id_):
            return "object-del", {"id": id_}
        case Blockdev(props):
            return "blockdev-del", {"node-name": props["node-name"]}
        case Netdev(id=id_):
            return "netdev_del", {"id": id_}
        case Chardev(id=id_):
            return "chardev-remove", {"id": id_}
        case WatchdogAction():
            return _ACTION, {"action": "reset"}
        case _:
            if part.id is None:
                raise ValueError(f"a {part.driver} without an id cannot be unplugged")
            return "device_del", {"id": part.id}


def options(first: str, props: Mapping[str, Any]) -> str:
    """``first,key=value,...`` with commas doubled and truth as on and off."""
    return ",".join([escaped(first), *(f"{key}={escaped(_word(value))}" for key, value in props.items())])


def escaped(text: str) -> str:
    """A value as QemuOpts read it back: every comma twice."""
    return text.replace(",", ",,")


def _word(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _properties(part: Object | Blockdev | Netdev | Device) -> dict[str, Any]:
    match part:
        case Object(kind, id_, props):
            return {"qom-type": kind, "id": id_, **props}
        case Blockdev(props):
            return dict(props)
        case Netdev(kind, id_, props):
            return {"type": kind, "id": id_, **props}
        case Device(driver, id_, props):
            return {"driver": driver, **({} if id_ is None else {"id": id_}), **props}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
