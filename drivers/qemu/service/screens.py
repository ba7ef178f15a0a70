"""A screen once QEMU runs: its password, and the ports that it got."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.graphics import Graphics
from embervirt.drivers.qemu.parts.graphics import LOCALHOST, SOCKET
from embervirt.drivers.xml import replace

Command = tuple[str, dict[str, Any]]
Servers = list[dict[str, Any]]
"""What ``query-vnc-servers`` returns."""


def password(screen: Graphics) -> Iterator[Command]:
    """What tells QEMU a screen's password, and when it ends; until then nobody gets in."""
    if screen.passwd is not None:
        kept = {"connected": screen.connected} if screen.connected else {}
        yield "set_password", {"protocol": "vnc", "password": screen.passwd, **kept}
        yield "expire_password", {"protocol": "vnc", "time": _time(screen.passwd_valid_to)}


def _time(text: str | None) -> str:
    if text is None:
        return "never"
    return str(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()))


def found(live: Domain, servers: Servers, directory: Path) -> Domain:
    """The running guest with the ports, the address and the socket of its screens."""
    screens = tuple(_found(screen, servers, directory) for screen in live.devices.graphics)
    return replace(live, devices=replace(live.devices, graphics=screens))


def _found(screen: Graphics, servers: Servers, directory: Path) -> Graphics:
    listen = screen.listens[0]
    if listen.type == "socket":
        path = listen.socket or str(directory / SOCKET)
        return replace(screen, socket=path, listens=(replace(listen, socket=path),))
    if listen.type != "address":
        return screen
    address = listen.address or LOCALHOST
    ends = [end for server in servers for end in server["server"]]
    ports = {bool(end.get("websocket")): int(end["service"]) for end in ends if end["service"].isdigit()}
    websocket = ports.get(True, screen.websocket) if screen.websocket is not None else None
    fresh = replace(screen, port=ports.get(False, screen.port), websocket=websocket, listen=address)
    return replace(fresh, listens=(replace(listen, address=address),))
