"""Which fault explains an error, the end of a process, or an event that is out of order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from soak.history import Call, Fault, Told
from soak.linear import Maybe, Op
from soak.model import CHANGES, ENDING, JOINED, WHILE_UNDEFINED

GRACE = 12.0
"""Seconds after a fault in which it may be felt: restarts with delays, a monitor's time-outs."""

SETTLES = 20.0
"""Seconds after which what may have happened has happened or will not."""

ALL = ""
UNKNOWN = {"OutcomeUnknown", "OperationTimeout"}
"""Errors after which a call may have happened; after all others but those of the model it has not."""

BY_STATE = {"NoDomain", "OperationInvalid"}
"""Errors that the state of the domain explains, which is the model's to say."""

CAUSES: dict[str, set[str]] = {
    "OutcomeUnknown": {"crash", "reopen", "kill", "stop", "freeze"},
    "Quarantined": set(),
    "ActorUnavailable": {"crash", "reopen", "kill", "stop", "freeze"},
    "GuestDegraded": {"crash", "reopen", "kill", "stop", "freeze", "end"},
    "OperationTimeout": {"stop", "freeze"},
    "InvalidConnection": {"reopen"},
    "LaunchFailed": {"kill", "stop"},
}
"""The faults that can lead to an error, by its class or the nearest one above it; to others, none can."""


def concerns(fault: Fault, domain: str) -> bool:
    """Whether calls on that domain may feel it."""
    if fault.kind in ("kill", "stop"):
        return fault.target == domain
    if fault.target.startswith("guests/"):
        return fault.target.partition("-")[2] == domain
    return True


def explained(call: Call, faults: Iterable[Fault]) -> bool:
    """Whether the error of a call is one of the state or has a fault that leads to it, then and there."""
    assert call.ended is not None
    if any(name in BY_STATE for name in call.ended.errors):
        return True
    causes = next((CAUSES[name] for name in call.ended.errors if name in CAUSES), set())
    domain, begun, until = call.begun.domain, call.begun.at, call.until
    return any(
        fault.kind in causes
        and fault.at <= until
        and begun <= fault.until + GRACE
        and concerns(fault, domain)
        for fault in faults
    )


MEETS_DESTROY = {"OutcomeUnknown", "OperationTimeout", "GuestDegraded", "ActorUnavailable"}
"""Errors of a call to a guest that is being destroyed meanwhile; no fault is needed.

A QEMU that was told to end need not answer any more, and one in thousands hangs until it is killed.
"""


def meets_destroy(call: Call, around: Iterable[Call]) -> bool:
    """Whether the error of a call is one that a destroy of the same domain explains."""
    assert call.ended is not None
    return bool(MEETS_DESTROY & set(call.ended.errors)) and any(
        each.begun.op == "destroy" and each.begun.domain == call.begun.domain and _overlap(call, each)
        for each in around
        if each is not call
    )


def operations(calls: Iterable[Call], around: list[Call], domain: str, over: float) -> Iterator[Op | Maybe]:
    """The calls on a domain as the model knows them; ``around``: those, and all that overlap them.

    ``over``: when the program ended that made those that have no end.
    """
    around = [each for each in around if each.begun.domain == domain]
    for call in calls:
        if call.begun.domain in (domain, ALL) and not _refused_by_another(call, around):
            item = _operation(call, domain, over)
            if item is not None:
                yield item._replace(op=item.op + _meeting(call, around))


def _operation(call: Call, domain: str, over: float) -> Op | Maybe | None:
    """None for a call that certainly changed nothing and told nothing."""
    begun, ended = call.begun, call.ended
    if ended is None or UNKNOWN & set(ended.errors):
        until = (over if ended is None else ended.at) + SETTLES
        return Maybe(begun.id, begun.op, begun.at, until, text=str(call)) if begun.op in CHANGES else None
    if ended.errors and not BY_STATE & set(ended.errors):
        return None
    value = int(domain in ended.value) if isinstance(ended.value, list) else ended.value
    if begun.op == "ask" and value == ENDING:
        return None
    if begun.domain == domain or isinstance(ended.value, list):
        return Op(begun.id, begun.op, begun.at, ended.at, ended.code, value, ended.text)
    return None


def _refused_by_another(call: Call, around: list[Call]) -> bool:
    """A start that is refused because another one of the same domain is under way."""
    errors = call.ended.errors if call.ended else []
    refused = call.begun.op.startswith("create") and "OperationInvalid" in errors
    return refused and any(
        each.begun.op.startswith("create") and each.begun.id != call.begun.id and _overlap(call, each)
        for each in around
    )


def _meeting(call: Call, around: list[Call]) -> str:
    """What its name is marked with, of a call that did or may have happened while another one did."""
    if _refused(call):
        return ""
    if call.begun.op.startswith("create"):
        # One of which nobody knows may go on, and meet anything.
        return WHILE_UNDEFINED if _unknown(call) or _met("undefine", call, around) else ""
    return JOINED if call.begun.op == "destroy" and _met("destroy", call, around) else ""


def _met(op: str, call: Call, around: list[Call]) -> bool:
    others = (each for each in around if each.begun.op == op and each.begun.id != call.begun.id)
    return any(_overlap(call, each) for each in others)


def _refused(call: Call) -> bool:
    return call.ended is not None and any(name in BY_STATE for name in call.ended.errors)


def _overlap(call: Call, other: Call) -> bool:
    """Whether the other one may have had its effect during the call."""
    settled = other.until + (SETTLES if _unknown(other) else 0)
    return other.begun.at <= call.until and call.begun.at <= settled


def _unknown(call: Call) -> bool:
    """A start of which nobody knows may go on for a while."""
    return call.ended is None or bool(UNKNOWN & set(call.ended.errors))


def kills(faults: Iterable[Fault], domain: str) -> list[Maybe]:
    """What was done to a domain's QEMUs, as the model knows it.

    Ids are negative, unlike those of calls, and made of the time: a guest may be sent two signals.
    """
    return [
        Maybe(
            -int(fault.at * 1_000_000), "kill", fault.at, fault.until + SETTLES, fault.run,
            f"SIGKILL of guest {fault.run}",
        )
        for fault in faults
        if fault.kind == "kill" and fault.target == domain
    ]  # fmt: skip


class Process(NamedTuple):
    """A QEMU as it was seen from outside: ``last`` alive and then, at ``ended``, gone."""

    name: str
    run: int
    pid: int
    last: float
    ended: float

    def __str__(self) -> str:
        return f"QEMU {self.pid} of guest {self.run} ({self.name}), alive at {self.last:.6f}"


def ended_for_a_reason(process: Process, calls: Iterable[Call], faults: Iterable[Fault]) -> bool:
    """Whether it was killed, destroyed, or its start failed: no QEMU ends otherwise."""
    if any(f.kind == "kill" and f.run == process.run and f.at <= process.ended for f in faults):
        return True
    return any(
        each.begun.domain == process.name
        and each.begun.at <= process.ended
        and process.last <= each.until + (SETTLES if _unknown(each) else 0)
        and _may_end(each)
        for each in calls
    )


def _may_end(call: Call) -> bool:
    """A destroy, and a start that failed or of which nobody knows: that may be undone."""
    if call.begun.op.startswith("create"):
        return not _refused(call) and (call.ended is None or bool(call.ended.errors))
    return call.begun.op == "destroy" and (_unknown(call) or not _failed(call))


def _failed(call: Call) -> bool:
    return call.ended is not None and bool(call.ended.errors)


STARTED, SUSPENDED, RESUMED, STOPPED, SHUTDOWN = 2, 3, 4, 5, 6
"""virDomainEventType; DEFINED (0) and UNDEFINED (1) come at any time."""

NEXT = {
    STARTED: {SUSPENDED, SHUTDOWN, STOPPED},
    RESUMED: {SUSPENDED, SHUTDOWN, STOPPED},
    SUSPENDED: {RESUMED, SHUTDOWN, STOPPED},
    SHUTDOWN: {RESUMED, STOPPED},
}
"""What may follow the last event of a guest."""

RECONCILED = "reconciled"
"""How the reason of an event begins that tells what was found, not what happened."""


@dataclass
class Story:
    """What events have told so far. ``killed``: a program was, so events may have died with it.

    ``left``: number of the last event that it had written; some of them only the next program tells.
    """

    seq: int = 0
    left: int = 0
    killed: bool = False
    runs: dict[int, int | None] = field(default_factory=dict)
    """The last event of each guest that has not stopped; None: it is not known."""

    highest: int = 0

    def hear(self, told: Iterable[Told]) -> Iterator[str]:
        """What is wrong with these events."""
        for each in told:
            if each.seq != self.seq + 1:
                yield f"event {each.seq} follows event {self.seq}"
            self.seq = each.seq
            if each.event >= STARTED and not self._follows(each):
                yield f"{each} follows {self.runs.get(each.run, 'nothing')}"
            self._note(each)
            self._doubt()

    def _follows(self, told: Told) -> bool:
        if told.run not in self.runs:
            return told.event == STARTED and told.run > 0 if not self.killed else True
        last = self.runs[told.run]
        if self.killed and told.event == last and told.why.startswith(RECONCILED):
            return True  # told by a program that was killed before it had noted that, and found by the next
        return last is None or told.event in NEXT[last]

    def _note(self, told: Told) -> None:
        if told.event == STOPPED:
            self.runs.pop(told.run, None)
        elif told.event >= STARTED:
            self.runs[told.run] = told.event

    def _doubt(self) -> None:
        """After the last event of a program that was killed nobody knows what it was about to tell."""
        if self.killed and self.seq == self.left:
            self.runs = dict.fromkeys(self.runs)

    def program_killed(self, left: int) -> None:
        """It may have died between a change and its event; the last event that it wrote is ``left``."""
        self.killed, self.left = True, left
        self._doubt()
