"""Screens."""

from __future__ import annotations

from datetime import datetime

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.model.graphics import Graphics, Listen
from embervirt.errors import ConfigUnsupported, InternalError, XmlError

MOST_PASSWORD = 8
"""Bytes: more than that the VNC protocol does not look at."""


def check(domain: Domain) -> None:
    """What can be started is a matter of ``parts``: as many screens and ways in as the XML likes."""
    for graphics in domain.devices.graphics:
        _check(graphics)


def _check(graphics: Graphics) -> None:
    for listen in graphics.listens:
        _listen(listen)
    if graphics.websocket is not None and graphics.websocket != -1 and graphics.websocket not in range(65536):
        raise ConfigUnsupported(f"vnc websocket port {graphics.websocket}: expected -1 or a port up to 65535")
    length = len((graphics.passwd or "").encode())
    if length > MOST_PASSWORD:
        what = f"VNC password is {length} characters long, only {MOST_PASSWORD} permitted"
        raise ConfigUnsupported(what)
    _time(graphics.passwd_valid_to)
    if graphics.connected not in (None, "keep"):
        raise ConfigUnsupported("VNC supports connected='keep' only")


def _time(text: str | None) -> None:
    """A day that is in no calendar is libvirt's 1970."""
    try:
        datetime.fromisoformat(text or "1970-01-01T00:00:00")
    except ValueError as error:
        raise InternalError(f"cannot parse password validity time '{text}': {error}") from error


def _listen(listen: Listen) -> None:
    if listen.type == "network" and not listen.network:
        raise XmlError("'network' attribute is required for listen type 'network'")
    for name, value in (("network", listen.network), ("socket", listen.socket)):
        if value and listen.type != name:
            raise XmlError(f"'{name}' attribute is valid only for listen type '{name}'")
