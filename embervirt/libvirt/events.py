"""libvirt's domain events by their ids: the message each is, and what its callback is given of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from embervirt.actors.messages import Event
from embervirt.drivers.qemu import messages

Arguments = tuple[Any, ...]


class Kind(NamedTuple):
    """``arguments`` stand between the domain and ``opaque``; ``wants`` says which messages of the class."""

    message: type[Event]
    arguments: Callable[[Any], Arguments]
    wants: Callable[[Any], bool] = lambda event: True


def _end(address: tuple[int, str, str]) -> dict[str, Any]:
    family, node, service = address
    return {"family": family, "node": node, "service": service}


def _graphics(event: messages.GraphicsUsed) -> Arguments:
    subject = [tuple(each) for each in event.subject]
    return event.phase, _end(event.local), _end(event.remote), event.scheme, subject


class Unheard(Event, frozen=True):
    """Nothing here causes it yet."""


def _nothing(_: Any) -> Arguments:
    return ()


KINDS: dict[int, Kind] = {
    0: Kind(messages.Lifecycle, lambda event: (event.event, event.detail)),
    1: Kind(messages.Rebooted, lambda event: ()),
    2: Kind(messages.ClockChanged, lambda event: (event.offset,)),
    3: Kind(messages.WatchdogBarked, lambda event: (event.action,)),
    4: Kind(messages.IoFailed, lambda event: (event.path, event.alias, event.action)),
    5: Kind(messages.GraphicsUsed, _graphics),
    6: Kind(messages.IoFailed, lambda event: (event.path, event.alias, event.action, event.reason)),
    7: Kind(messages.Degraded, lambda event: (), lambda event: event.why.startswith("monitor: ")),
    8: Kind(Unheard, _nothing),
    9: Kind(Unheard, _nothing),
    10: Kind(messages.TrayMoved, lambda event: (event.alias, event.reason)),
    11: Kind(messages.GuestWoke, lambda event: (0,)),
    12: Kind(messages.GuestSuspended, lambda event: (0,), lambda event: not event.disk),
    13: Kind(messages.BalloonMoved, lambda event: (event.actual,)),
    14: Kind(messages.GuestSuspended, lambda event: (0,), lambda event: bool(event.disk)),
    15: Kind(messages.DeviceRemoved, lambda event: (event.alias,), lambda event: not event.failed),
    16: Kind(Unheard, _nothing),
    17: Kind(Unheard, _nothing),
    18: Kind(messages.AgentState, lambda event: (event.state, event.reason)),
    19: Kind(messages.DeviceAdded, lambda event: (event.alias,)),
    20: Kind(Unheard, _nothing),
    21: Kind(Unheard, _nothing),
    22: Kind(messages.DeviceRemoved, lambda event: (event.alias,), lambda event: bool(event.failed)),
    23: Kind(messages.MetadataChanged, lambda event: (event.type, event.uri or None)),
    24: Kind(
        messages.ThresholdExceeded, lambda event: (event.dev, event.path, event.threshold, event.excess)
    ),
    25: Kind(messages.MemoryFailed, lambda event: (event.recipient, event.action, event.flags)),
    26: Kind(Unheard, _nothing),
}
"""By virDomainEventID; one line adds one."""
"""A callback's arguments are libvirt-python's. Those that nothing here causes, of block jobs, of tuning, of
migration, of memory devices, can be registered all the same: programs do so on every connection.
"""
