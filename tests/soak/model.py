"""What one domain may do: a state, and what each call answers in it and makes of it. Pure.

The state machine is libvirt's: a domain is persistent or not, and off, running or paused; one that is
neither persistent nor active does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

OFF, RUNNING, PAUSED = 5, 1, 3
"""virDomainState."""

ENDING = -2
"""What a QEMU says that is about to exit: it was told to, but is not gone."""

OK, NO_DOMAIN, INVALID = 0, 42, 55
"""virErrorNumber: none, VIR_ERR_NO_DOMAIN, VIR_ERR_OPERATION_INVALID."""


class State(NamedTuple):
    """``run``: id of the guest, once somebody saw it; every guest to come has an id above ``last``."""

    persistent: bool = False
    phase: int = OFF
    run: int = 0
    last: int = 0

    @property
    def active(self) -> bool:
        """Has a QEMU."""
        return self.phase != OFF

    @property
    def known(self) -> bool:
        """Exists."""
        return self.persistent or self.active

    def ended(self) -> State:
        """Without its QEMU."""
        return self._replace(phase=OFF, run=0, last=max(self.last, self.run))

    def seen(self, run: int) -> list[State]:
        """The state in which its guest has this id, if it can have."""
        if not self.active or (self.run != run if self.run else run <= self.last):
            return []
        return [self._replace(run=run)]


WHILE_UNDEFINED = " while undefined"
"""Appended to a start whose definition may be taken away before the guest is there: then it is transient."""

JOINED = " joined"
"""Appended to a destroy that meets another one: both succeed when the guest is gone."""

Answer = tuple[int, State]


def _inactive(state: State) -> Answer:
    return (INVALID if state.known else NO_DOMAIN), state


def _define(state: State) -> Answer:
    return OK, state._replace(persistent=True)


def _undefine(state: State) -> Answer:
    if state.persistent:
        return OK, state._replace(persistent=False)
    return (INVALID if state.active else NO_DOMAIN), state


def _create(phase: int, *, undefined: bool = False) -> Callable[[State], Answer]:
    def create(state: State) -> Answer:
        if state.active:
            return INVALID, state
        if state.persistent or undefined:
            return OK, state._replace(phase=phase)
        return NO_DOMAIN, state

    return create


def _suspend(state: State) -> Answer:
    return (OK, state._replace(phase=PAUSED)) if state.active else _inactive(state)


def _resume(state: State) -> Answer:
    if state.phase == RUNNING:
        return INVALID, state
    return (OK, state._replace(phase=RUNNING)) if state.active else _inactive(state)


def _shutdown(state: State) -> Answer:
    """A guest in its firmware does not see the power button."""
    if state.phase == PAUSED:
        return INVALID, state
    return (OK, state) if state.active else _inactive(state)


def _destroy(state: State) -> Answer:
    return (OK, state.ended()) if state.active else _inactive(state)


def _destroy_joined(state: State) -> Answer:
    return OK, state.ended() if state.active else state


CHANGES: dict[str, Callable[[State], Answer]] = {
    "define": _define,
    "undefine": _undefine,
    "create": _create(RUNNING),
    "create paused": _create(PAUSED),
    f"create{WHILE_UNDEFINED}": _create(RUNNING, undefined=True),
    f"create paused{WHILE_UNDEFINED}": _create(PAUSED, undefined=True),
    "suspend": _suspend,
    "resume": _resume,
    "shutdown": _shutdown,
    "destroy": _destroy,
    f"destroy{JOINED}": _destroy_joined,
}
"""Answers of the calls that change something."""

GUEST = {"suspend", "resume", "shutdown", "destroy"}
"""Calls to a guest: one that waited until its transient domain was gone may hear that it does not run."""

READS: dict[str, Callable[[State], int]] = {
    "state": lambda state: state.phase,
    "ask": lambda state: state.phase,
    "info": lambda state: state.phase,
    "active": lambda state: int(state.active),
    "persistent": lambda state: int(state.persistent),
    "listed": lambda state: int(state.known),
    "listed active": lambda state: int(state.active),
}
"""Values of the calls that change nothing."""

ALWAYS = {"listed", "listed active", "ask"}
"""Reads that answer for a domain that does not exist, too."""

RUNS = {"id", "description"}
"""Reads whose value is the id of the guest, -1 when there is none."""


def after(state: State, op: str, code: int, value: int) -> list[State]:
    """The states in which ``op``, called in ``state``, may end with that answer; none when it cannot."""
    if op in CHANGES:
        answered, changed = CHANGES[op](state)
        waited = op in GUEST and (answered, code) == (NO_DOMAIN, INVALID)
        return [changed] if answered == code or waited else []
    if op in RUNS:
        return _run(state, op, code, value)
    exists = state.known or op in ALWAYS or (op == "persistent" and code == OK)
    if not exists or code != OK:
        return [state] if not exists and code == NO_DOMAIN else []
    return [state] if READS[op](state) == value else []


def _run(state: State, op: str, code: int, value: int) -> list[State]:
    if op == "description" and not state.known:
        return [state] if code == NO_DOMAIN else []
    if code != OK:
        return []
    if value == -1:
        return [] if state.active else [state]
    return state.seen(value)


def may_have(state: State, op: str, run: int) -> list[State]:
    """The states after a call whose end nobody knows did happen; ``kill`` is that of guest ``run``."""
    if op == "kill":
        return [each.ended() for each in state.seen(run)]
    if op not in CHANGES or CHANGES[op](state)[0] != OK:
        return []
    changed = CHANGES[op](state)[1]
    # A start that was broken off between the record of QEMU and its first instruction leaves it paused.
    both = [changed, changed._replace(phase=PAUSED)] if op.startswith("create") else [changed]
    return [each for each in both if each != state]
