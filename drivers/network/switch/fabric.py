"""Where a frame goes: to the port that its receiver was last heard on, else to all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

OWN = ""
"""The switch's own host, beside the ports."""

LEARNED = 4096
"""Addresses that are remembered; the one heard of least recently goes first."""

SHORTEST = 14
"""Bytes of a frame without anything in it: two addresses and a type."""

GROUP = 0x01
"""In the first byte of an address that is not one receiver's."""


class Fabric:
    """Ports by id, with whether each is isolated."""

    def __init__(self, own: bytes) -> None:
        self._own = own
        self._isolated: Mapping[str, bool] = {}
        self._heard: dict[bytes, str] = {own: OWN}

    def join(self, isolated: Mapping[str, bool]) -> None:
        """These are the ports now."""
        self._isolated = dict(isolated)
        self._heard = {mac: port for mac, port in self._heard.items() if port in isolated or port == OWN}

    def targets(self, source: str, frame: bytes) -> Iterable[str]:
        """Ports that a frame from ``source`` goes to; ``OWN`` among them for the switch's host."""
        if len(frame) < SHORTEST or source not in self._isolated:
            return ()
        receiver, sender = frame[:6], frame[6:12]
        if not sender[0] & GROUP and sender != self._own:
            self._learn(sender, source)
        known = None if receiver[0] & GROUP else self._heard.get(receiver)
        if known is not None:
            return (known,) if known != source and self._allowed(source, known) else ()
        return [port for port in (OWN, *self._isolated) if port != source and self._allowed(source, port)]

    def _learn(self, sender: bytes, source: str) -> None:
        self._heard.pop(sender, None)
        self._heard[sender] = source
        if len(self._heard) > LEARNED:
            del self._heard[next(mac for mac in self._heard if mac != self._own)]

    def _allowed(self, source: str, target: str) -> bool:
        """Isolated ports do not reach each other."""
        return not (self._isolated.get(source, False) and self._isolated.get(target, False))
