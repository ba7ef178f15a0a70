"""A screen's way in: the ports and the first ``<listen>``, which the attributes mirror."""

from __future__ import annotations

from embervirt.drivers.qemu.model.graphics import ADDRESSED, Graphics, Listen
from embervirt.drivers.xml import replace
from embervirt.errors import ConfigUnsupported


def complete(graphics: Graphics) -> Graphics:
    """Raises ConfigUnsupported when attribute and element say different things."""
    listens = tuple(map(_of_its_type, graphics.listens)) or (_by_attributes(graphics),)
    first = _mirrored(graphics, _preferred(graphics, listens[0]))
    graphics = _password(replace(graphics, listens=(first, *listens[1:])))
    if first.type in ADDRESSED:
        return replace(_ports(graphics), listen=first.address, socket=None)
    nothing = replace(graphics, listen=None, port=None, autoport=None, websocket=None)
    return replace(nothing, socket=first.socket if first.type == "socket" else None)


def _by_attributes(graphics: Graphics) -> Listen:
    if graphics.socket:
        return Listen(type="socket", socket=graphics.socket)
    return Listen(type="address", address=graphics.listen or None)


def _of_its_type(listen: Listen) -> Listen:
    """Without an address that its type has no use for, or that a network has while it runs."""
    address = listen.address if listen.type == "address" else None
    return replace(
        listen, address=address or None, network=listen.network or None, socket=listen.socket or None
    )


def _preferred(graphics: Graphics, first: Listen) -> Listen:
    """A socket that an attribute names goes before an address."""
    if first.type == "address":
        _same("listen", "address", graphics.listen, first.address)
    return _by_attributes(graphics) if graphics.socket and first.type in ADDRESSED else first


def _mirrored(graphics: Graphics, first: Listen) -> Listen:
    if first.type == "address":
        return replace(first, address=first.address or graphics.listen or None)
    if first.type == "socket":
        _same("socket", "socket", graphics.socket, first.socket)
        return replace(first, socket=first.socket or graphics.socket)
    return first


def _same(attribute: str, other: str, given: str | None, found: str | None) -> None:
    if given is not None and found and given != found:
        what = f"must match '{other}' attribute of first listen element (found '{found}')"
        raise ConfigUnsupported(f"graphics '{attribute}' attribute '{given}' {what}")


def _ports(graphics: Graphics) -> Graphics:
    """Without a port any free one is taken, unless that was forbidden."""
    wanted = None if graphics.port == -1 else graphics.port or None
    said = graphics.port == -1 if graphics.autoport is None else graphics.autoport
    automatic = said or (graphics.port is None and graphics.autoport is None)
    graphics = replace(graphics, websocket=graphics.websocket or None)
    if automatic:
        return replace(graphics, port=-1, autoport=True)
    return replace(graphics, port=wanted, autoport=False)


def _password(graphics: Graphics) -> Graphics:
    """When it ends, and who stays then, means nothing without one."""
    if graphics.passwd is not None:
        return graphics
    return replace(graphics, passwd_valid_to=None, connected=None)
