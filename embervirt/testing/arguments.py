"""What the fake QEMU reads of a QEMU's arguments; it passes over all others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple


class Arguments(NamedTuple):
    """``monitor`` is the number of a socket, which listens if ``listens``; ``ptys`` and ``monitor_label`` are
    ids of chardevs, ``devices`` ids of devices with their drivers."""

    name: str | None
    uuid: str | None
    cpus: int
    stopped: bool
    stays: bool
    monitor: int
    monitor_label: str
    listens: bool
    ptys: tuple[str, ...]
    devices: tuple[tuple[str, str], ...]


def read(argv: Sequence[str]) -> Arguments:
    """Raises ValueError when there is no monitor that it could serve."""
    options = list(_options(argv))
    chardevs = {keys["id"]: keys for keys in (_keys(value) for name, value in options if name == "chardev")}
    given = {name: _keys(value) for name, value in options if name in ("name", "smp", "uuid", "mon")}
    label = given.get("mon", {}).get("chardev", "")
    monitor = chardevs.get(label, {})
    if "fd" not in monitor:
        raise ValueError("no monitor: expected -chardev socket,id=ID,fd=NUMBER -mon chardev=ID,mode=control")
    name, smp = given.get("name", {}), given.get("smp", {})
    return Arguments(
        name=name.get("guest", name.get("")),
        uuid=given.get("uuid", {}).get(""),
        cpus=int(smp.get("cpus", smp.get("", "1"))),
        stopped=("S", "") in options,
        stays=("no-shutdown", "") in options,
        monitor=int(monitor["fd"]),
        monitor_label=label,
        listens=monitor.get("server") == "on",
        ptys=tuple(id_ for id_, keys in chardevs.items() if keys[""] == "pty"),
        devices=devices(argv),
    )


def devices(argv: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Ids and drivers of those that have an id, given as JSON or not."""
    given = (_device(value) for name, value in _options(argv) if name == "device")
    return tuple((each["id"], each["driver"]) for each in given if "id" in each)


def _device(value: str) -> dict[str, str]:
    if value.startswith("{"):
        return dict(json.loads(value))
    keys = _keys(value)
    return {"driver": keys.get("", ""), **keys}


def _options(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names without their dashes, and values, which are empty for a bare option."""
    for word, following in pairwise([*argv, "-"]):
        if word.startswith("-"):
            yield word.lstrip("-"), "" if following.startswith("-") else following


def _keys(value: str) -> dict[str, str]:
    """``first,key=value``; a comma of a value stands twice."""
    words = [word.replace("\0", ",") for word in value.replace(",,", "\0").split(",")]
    return dict((word if "=" in word else f"={word}").split("=", 1) for word in words)
