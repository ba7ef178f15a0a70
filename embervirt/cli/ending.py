"""Why a guest ended, from its lifecycle events (pure), as a word and as an exit status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embervirt.drivers.qemu.messages import Lifecycle

STOPPED, SHUTDOWN = 5, 6
"""Of virDomainEventType."""

BY_SHUTDOWN, BY_DESTROY, HOST_REQUEST = 0, 1, 2
"""Details: of STOPPED the first two, of SHUTDOWN the last."""

CRASHED, KILLED = 3, 130
"""Exit statuses; 130 is what shells give for SIGINT."""


@dataclass(frozen=True)
class Ending:
    """``status``: of the process that ran the guest. ``why``: the cause in words, or empty."""

    status: int
    reason: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.why}" if self.why else self.reason


def ending(events: Sequence[Lifecycle]) -> Ending | None:
    """From all lifecycle events of one run of a guest; None while it lives.

    A QEMU that was sent SIGTERM says that it shuts down, at the host's request: nobody who wanted the guest
    to run asked for that, so it counts as killed.
    """
    stopped = next((event for event in events if event.event == STOPPED), None)
    if stopped is None:
        return None
    if stopped.detail == BY_DESTROY:
        return Ending(KILLED, "killed")
    by_host = any((event.event, event.detail) == (SHUTDOWN, HOST_REQUEST) for event in events)
    if stopped.detail == BY_SHUTDOWN and not by_host:
        return Ending(0, "shut down")
    why = "; ".join(dict.fromkeys(event.why for event in events if event.why))
    return Ending(CRASHED, "ended from outside" if by_host else "crashed", why)
