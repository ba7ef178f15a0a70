"""The VNC server."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from embervirt.drivers.qemu.model.graphics import ADDRESSED, Graphics
from embervirt.drivers.qemu.parts.build import Build
from embervirt.drivers.qemu.parts.part import Option, Part
from embervirt.drivers.qemu.parts.render import options
from embervirt.drivers.qemu.parts.sound import backend
from embervirt.errors import ConfigUnsupported

LOCALHOST = "127.0.0.1"
"""Where a screen listens that does not say."""

SOCKET = "vnc.sock"
"""Of a screen that listens on a socket without a name, in the directory of the run."""

FIRST = 5900
MOST = 65535 - FIRST
"""VNC's displays count from port 5900."""

PORTS = range(FIRST, FIRST + MOST + 1)


def parts(graphics: Graphics, build: Build) -> Iterable[Part]:
    """Where it listens, and what it says to whom. Raises ConfigUnsupported for what QEMU cannot do."""
    _check(graphics, build)
    where, more = _way_in(graphics, build)
    props: dict[str, Any] = {
        **more,
        **({"share": graphics.share_policy} if graphics.share_policy else {}),
        **({"password": True} if graphics.passwd is not None else {}),
        **({} if graphics.power_control is None else {"power-control": graphics.power_control}),
        **backend(graphics, build),
    }
    yield Option("vnc", options(where, props))
    if graphics.keymap:
        yield Option("k", graphics.keymap)


def _check(graphics: Graphics, build: Build) -> None:
    if graphics is not build.domain.devices.graphics[0]:
        raise ConfigUnsupported("only 1 graphics device of type vnc is supported")
    if len(graphics.listens) > 1:
        raise ConfigUnsupported("QEMU does not support multiple listens for one graphics device.")
    way = graphics.listens[0]
    if way.type in ADDRESSED and not graphics.autoport and graphics.port not in PORTS:
        raise ConfigUnsupported(f"vnc port must be in range [{PORTS[0]},{PORTS[-1]}]")
    if way.type == "network":
        what = f"network '{way.network}' is not asked for the address to listen on; expected one"
        raise ConfigUnsupported(f"graphics listen: {what} with <listen type='address' address='...'/>")


def _way_in(graphics: Graphics, build: Build) -> tuple[str, dict[str, Any]]:
    listen = graphics.listens[0]
    if listen.type == "none":
        return "none", {}
    if listen.type == "socket":
        path = listen.socket or str(Path(build.run.domain_dir) / SOCKET)
        return f"vnc=unix:{path}", {}
    address = listen.address or LOCALHOST
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{_display(graphics)}", {**_any_free(graphics, build), **_websocket(graphics, build)}


def _display(graphics: Graphics) -> int:
    return 0 if graphics.autoport or graphics.port is None else graphics.port - FIRST


def _any_free(graphics: Graphics, build: Build) -> dict[str, Any]:
    """QEMU itself takes the first free port: nobody can take it between looking and using."""
    return {"to": MOST} if graphics.autoport and build.run.runs else {}


def _websocket(graphics: Graphics, build: Build) -> dict[str, Any]:
    if graphics.websocket is None:
        return {}
    return {"websocket": "on" if graphics.websocket == -1 and build.run.runs else graphics.websocket}
