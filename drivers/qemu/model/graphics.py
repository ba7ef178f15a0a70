"""``<graphics>``: a screen that is shown over the network."""

from __future__ import annotations

from embervirt.drivers.qemu.model.device import Device
from embervirt.drivers.xml import Element, Text, attr, child, children, choice, integer, yes_no
from embervirt.errors import ConfigUnsupported, InternalError

LATER = ("sdl", "rdp", "desktop", "spice", "egl-headless", "dbus")
_NUMBER = integer(-(2**31), 2**31 - 1)
_PORT = integer(-(2**31), 2**31 - 1, InternalError)
_TIME = Text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "a UTC time as YYYY-MM-DDTHH:MM:SS", InternalError)

ADDRESSED = ("address", "network")
"""Ways in that have ports."""


class Listen(Element, tag="listen", refuse=("@fromConfig",)):
    """``none``: no way in but a hand-over; ``socket`` without a path has one in the run's directory.

    ``network``: on the address of a network's bridge.
    """

    type: str = attr("type", choice("address", "network", "socket", "none"))
    address: str | None = attr("address", default=None)
    network: str | None = attr("network", default=None)
    socket: str | None = attr("socket", default=None)


class AudioRef(Element, tag="audio"):
    """``id`` of the ``<audio>`` it plays on."""

    id: int = attr("id", integer(1, 2**31 - 1))


class Graphics(Device, tag="graphics"):
    """VNC. ``port`` -1 is any that is free; ``passwd`` is of at most 8 characters, as the protocol has it."""

    type: str = attr("type", choice("vnc", later=LATER))
    socket: str | None = attr("socket", default=None)
    port: int | None = attr("port", _PORT, default=None)
    autoport: bool | None = attr("autoport", yes_no, default=None)
    websocket: int | None = attr("websocket", _NUMBER, default=None)
    listen: str | None = attr("listen", default=None)
    keymap: str | None = attr("keymap", Text("[A-Za-z0-9_-]{1,40}", "a keymap's name"), default=None)
    share_policy: str | None = attr(
        "sharePolicy", choice("allow-exclusive", "force-shared", "ignore"), default=None
    )
    power_control: bool | None = attr("powerControl", yes_no, default=None)
    passwd: str | None = attr("passwd", default=None)
    passwd_valid_to: str | None = attr("passwdValidTo", _TIME, default=None)
    connected: str | None = attr(
        "connected", choice("fail", "disconnect", "keep", error=ConfigUnsupported), default=None
    )
    listens: tuple[Listen, ...] = children(Listen, default=())
    audio: AudioRef | None = child(AudioRef, default=None)
