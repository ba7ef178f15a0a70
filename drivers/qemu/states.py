"""What a domain's state allows, and what each ending means: tables and pure functions.

Numbers are libvirt's ``virDomainState``, its reasons, ``virDomainEventType`` and its details.
"""

from __future__ import annotations

from typing import NamedTuple

from embervirt.drivers.qemu.errors import VIR_FROM_QEMU, DomainNotRunning
from embervirt.errors import OperationInvalid

RUNNING, PAUSED, SHUTDOWN, SHUTOFF, CRASHED, PMSUSPENDED = 1, 3, 4, 5, 6, 7


class State(NamedTuple):
    """A ``virDomainState`` with its reason."""

    state: int
    reason: int


BOOTED = State(RUNNING, 1)
UNPAUSED = State(RUNNING, 5)
ADOPTED = State(RUNNING, 0)
WOKEN = State(RUNNING, 8)
AFTER_CRASH = State(RUNNING, 9)
NO_STATE = State(0, 0)
PAUSED_BY_USER = State(PAUSED, 1)
PAUSED_STARTING = State(PAUSED, 11)
PAUSED_UNKNOWN = State(PAUSED, 0)
PAUSED_SAVING = State(PAUSED, 3)
PAUSED_IO_ERROR = State(PAUSED, 5)
PAUSED_WATCHDOG = State(PAUSED, 6)
GUEST_SHUTDOWN = State(SHUTDOWN, 1)
GUEST_CRASHED = State(CRASHED, 1)
GUEST_SUSPENDED = State(PMSUSPENDED, 0)


class Transition(NamedTuple):
    """A lifecycle event: ``virDomainEventType`` and its detail."""

    event: int
    detail: int


DEFINED_ADDED = Transition(0, 0)
DEFINED_UPDATED = Transition(0, 1)
DEFINED_RENAMED = Transition(0, 2)
UNDEFINED_REMOVED = Transition(1, 0)
UNDEFINED_RENAMED = Transition(1, 1)
STARTED_BOOTED = Transition(2, 0)
STARTED_WAKEUP = Transition(2, 4)
SUSPENDED_PAUSED = Transition(3, 0)
SUSPENDED_IO_ERROR = Transition(3, 2)
SUSPENDED_WATCHDOG = Transition(3, 3)
RESUMED_UNPAUSED = Transition(4, 0)
SHUTDOWN_FINISHED = Transition(6, 0)
SHUTDOWN_GUEST = Transition(6, 1)
SHUTDOWN_HOST = Transition(6, 2)
PMSUSPENDED_MEMORY = Transition(7, 0)
PMSUSPENDED_DISK = Transition(7, 1)
CRASHED_PANICKED = Transition(8, 0)


MISSED = {
    RUNNING: RESUMED_UNPAUSED,
    PAUSED: SUSPENDED_PAUSED,
    SHUTDOWN: SHUTDOWN_FINISHED,
    CRASHED: CRASHED_PANICKED,
    PMSUSPENDED: PMSUSPENDED_MEMORY,
}
"""What is announced of a guest that is found in another state than was published, by its state."""


class Ending(NamedTuple):
    """Why a guest is off: ``virDomainShutoffReason``, and the detail of its ``STOPPED`` event."""

    reason: int
    detail: int


ENDED_SHUTDOWN = Ending(1, 0)
ENDED_DESTROYED = Ending(2, 1)
ENDED_CRASHED = Ending(3, 5)
ENDED_PANICKED = Ending(3, 2)
ENDED_FAILED = Ending(6, 5)
STOPPED = 5
"""VIR_DOMAIN_EVENT_STOPPED."""

BY_RUN_STATE = {
    "running": ADOPTED,
    "paused": PAUSED_BY_USER,
    "prelaunch": PAUSED_STARTING,
    "io-error": PAUSED_IO_ERROR,
    "watchdog": PAUSED_WATCHDOG,
    "save-vm": PAUSED_SAVING,
    "suspended": GUEST_SUSPENDED,
    "shutdown": GUEST_SHUTDOWN,
    "guest-panicked": GUEST_CRASHED,
}
"""QEMU's RunState (query-status) as libvirt sees it; nobody else than its user can have had it paused."""


def found(run_state: str, known: State) -> State:
    """What QEMU's RunState means; the reason that is known stays when the state is the same."""
    now = BY_RUN_STATE.get(run_state, PAUSED_UNKNOWN)
    return known if known.state == now.state else now


AFTER = {"suspend": {PAUSED}, "resume": {RUNNING}, "restart": {RUNNING}}
"""States that show that a change happened of which nobody heard; of what is not listed, any."""


def happened(change: str, state: int) -> bool:
    """Whether it did, seen from the state of the guest that it was made to."""
    return state in AFTER.get(change, {state})


def ending(*, destroyed: bool, shut_down: bool, status: int | None = None, panicked: bool = False) -> Ending:
    """Of a QEMU process that is gone: what was asked, or announced by QEMU, before; else it crashed.

    ``panicked``: it was ended because its guest had crashed. With nobody there to hear the announcement, its
    exit ``status`` 0 says that it was an orderly end.
    """
    if panicked:
        return ENDED_PANICKED
    if destroyed:
        return ENDED_DESTROYED
    return ENDED_SHUTDOWN if shut_down or status == 0 else ENDED_CRASHED


ALLOWED = {
    "suspend": {RUNNING, PAUSED},
    "resume": {PAUSED, CRASHED},
    "shutdown": {RUNNING},
    "ask the guest agent": {RUNNING},
}
"""Requests to a running guest by the states they need; what is not listed needs none."""

REFUSALS = {
    ("resume", RUNNING): "domain is already running",
    ("suspend", SHUTDOWN): "domain is shutting down",
    ("suspend", PMSUSPENDED): "domain is pmsuspended",
    ("resume", PMSUSPENDED): "domain is pmsuspended",
}
NOT_RUNNING = {"shutdown", "ask the guest agent"}
"""Requests whose refusal in any other state is ``domain is not running``."""


def check(request: str, state: State | None) -> State:
    """The state, when ``request`` fits it. Raises OperationInvalid, worded as libvirt does."""
    if state is None:
        raise DomainNotRunning("domain is not running")
    allowed = ALLOWED.get(request)
    if allowed is not None and state.state not in allowed:
        text = REFUSALS.get((request, state.state), f"cannot {request} a domain in this state")
        if request in NOT_RUNNING:
            text = "domain is not running"
        raise OperationInvalid(text, virdomain=VIR_FROM_QEMU)
    return state
