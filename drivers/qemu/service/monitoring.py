"""Commands of a caller's own for QEMU's monitor, and what they return, as JSON text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embervirt import world
from embervirt.actors.work import Work
from embervirt.drivers.qemu.errors import MonitorError
from embervirt.errors import InternalError, InvalidArgument

Ask = Callable[..., Work[Any]]

_NUMBERS = itertools.count(1)
"""Of the ids that libvirt's answers have."""


def compact(value: object) -> str:
    """JSON text as QEMU writes it for a machine."""
    return json.dumps(value, separators=(",", ":"))


def passthrough(ask: Ask, command: str) -> Work[str]:
    """Execute ``{"execute": ..., "arguments": {...}}``; the return value as JSON. Raises MonitorError."""
    try:
        asked = json.loads(command)
        name, arguments = asked["execute"], asked.get("arguments")
    except (ValueError, TypeError, KeyError) as error:
        expected = '{"execute": "query-status", "arguments": {}}'
        text = f"monitor command {command[:80]!r}: expected JSON such as {expected}"
        raise InvalidArgument(text) from error
    return json.dumps((yield from ask(name, arguments)))


def whole(ask: Ask, command: str) -> Work[str]:
    """The same as libvirt answers it: a reply with an id, and a refusal is a reply too."""
    try:
        asked = json.loads(command)
    except ValueError as error:
        raise InternalError(f"cannot parse json {command[:80]}: {error}") from error
    if not isinstance(asked, dict) or "id" in asked:
        raise InternalError("Unable to append command 'id' string")
    unexpected = next((key for key in asked if key not in ("execute", "arguments")), None)
    if unexpected is not None or "execute" not in asked:
        lacks = f"input member '{unexpected}' is unexpected" if unexpected else "input lacks member 'execute'"
        return compact({"error": {"class": "GenericError", "desc": f"QMP {lacks}"}})
    number = f"libvirt-{next(_NUMBERS)}"
    try:
        returned = yield from ask(asked["execute"], asked.get("arguments"))
    except MonitorError as refused:
        why = {"class": refused.error_class, "desc": refused.desc}
        return compact({"id": number, "error": why})
    return compact({"return": returned, "id": number})


def human(ask: Ask, line: str) -> Work[str]:
    """What the human monitor prints for a line."""
    printed: str = yield from ask("human-monitor-command", {"command-line": line})
    return printed


def screenshot(ask: Ask, directory: Path, alias: str, head: int) -> Work[str]:
    """Path of a PNG file with what the display device shows."""
    path = directory / f"qemu.screendump.{world.token_bytes(4).hex()}"
    # QEMU takes a head only together with the device that has it.
    place = {"device": alias, "head": head} if alias else {}
    yield from ask("screendump", {"filename": str(path), "format": "png", **place})
    return str(path)
