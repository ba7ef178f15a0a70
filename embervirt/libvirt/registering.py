"""The connection's callbacks for events of domains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from embervirt.errors import InvalidArgument
from embervirt.libvirt.callbacks import Registration
from embervirt.libvirt.connection import Connection
from embervirt.libvirt.domain import virDomain
from embervirt.libvirt.events import KINDS


class EventCalls(Connection):
    """The part of ``virConnect`` that concerns events of domains."""

    _plain: dict[Callable[..., Any], int]

    def domainEventRegister(self, cb: Callable[..., Any], opaque: Any) -> int:
        """Lifecycle events of all domains: ``cb(conn, domain, event, detail, opaque)``."""
        self.__dict__.setdefault("_plain", {})[cb] = self.domainEventRegisterAny(None, 0, cb, opaque)
        return 0

    def domainEventDeregister(self, cb: Callable[..., Any]) -> int:
        """No more of them. Raises InvalidArgument for a callback that was not registered so."""
        self._check_open()
        known = self.__dict__.get("_plain", {})
        if cb not in known:
            raise InvalidArgument(f"could not find event callback {cb!r} for deletion")
        self._deregister(known.pop(cb))
        return 0

    def domainEventRegisterAny(
        self, dom: virDomain | None, eventID: int, cb: Callable[..., Any], opaque: Any
    ) -> int:
        """Events of one domain or of all; answers the id for ``domainEventDeregisterAny``.

        LIFECYCLE (0): ``cb(conn, domain, event, detail, opaque)``; REBOOT (1): ``cb(conn, domain, opaque)``;
        what others are given is in ``events.KINDS``.
        """
        face, kind = self._face("qemu"), KINDS.get(eventID)
        if kind is None:
            raise InvalidArgument(f"eventID {eventID} in domainEventRegisterAny: known are 0 to {max(KINDS)}")
        uuid = None if dom is None else dom.UUIDString()

        def deliver(event: Any) -> None:
            if uuid in (None, event.uuid) and kind.wants(event):
                cb(self, virDomain(self, face, event.name, event.uuid), *kind.arguments(event), opaque)

        return self._register(Registration(kind.message, deliver))

    def domainEventDeregisterAny(self, callbackID: int) -> int:
        """Raises InvalidArgument for an id that is not registered."""
        self._deregister(callbackID)
        return 0
