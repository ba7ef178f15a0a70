"""Screens."""

from __future__ import annotations

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.graphics import Graphics
from embervirt.errors import ConfigUnsupported

MOST_PASSWORD = 8
"""Characters: more than that the VNC protocol does not look at."""

PORTS = range(5900, 65536)


def check(domain: Domain) -> None:
    """One screen, with one way in."""
    if len(domain.devices.graphics) > 1:
        what = "only 1 graphics device of each type (sdl, vnc, spice, headless, dbus) is supported"
        raise ConfigUnsupported(what)
    for graphics in domain.devices.graphics:
        _check(graphics)


def _check(graphics: Graphics) -> None:
    if len(graphics.listens) > 1:
        raise ConfigUnsupported("QEMU does not support multiple listens for one graphics device.")
    if graphics.listens[0].type == "address" and not graphics.autoport and graphics.port not in PORTS:
        raise ConfigUnsupported(f"vnc port must be in range [{PORTS[0]},{PORTS[-1]}]")
    if graphics.websocket is not None and graphics.websocket != -1 and graphics.websocket not in range(65536):
        raise ConfigUnsupported(f"vnc websocket port {graphics.websocket}: expected -1 or a port up to 65535")
    length = len(graphics.passwd or "")
    if length > MOST_PASSWORD:
        what = f"VNC password is {length} characters long, only {MOST_PASSWORD} permitted"
        raise ConfigUnsupported(what)
