"""Why a guest ended, from what the root's events say of it: as words and as an exit status (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from embervirt.drivers.qemu.messages import Lifecycle
from embervirt.supervisor.report import ChildFailed

STOPPED, SHUTDOWN = 5, 6
"""Of virDomainEventType."""

BY_SHUTDOWN, BY_DESTROY, HOST_REQUEST = 0, 1, 2
"""Details: of STOPPED the first two, of SHUTDOWN the last."""

LOST, CRASHED, KILLED = 1, 3, 130
"""Exit statuses; 130 is what shells give for SIGINT."""

Report = Lifecycle | ChildFailed


@dataclass(frozen=True)
class Ending:
    """``status``: of the process that ran the guest. ``why``: the cause in words, or empty."""

    status: int
    reason: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.why}" if self.why else self.reason


def concerns(report: Report, id_: int, name: str) -> bool:
    """Whether it is about that guest, or about the actor that serves it."""
    if isinstance(report, Lifecycle):
        return report.id == id_
    return report.supervisor.endswith("/guests") and report.child == f"{id_}-{name}"


def ending(reports: Sequence[Report]) -> Ending | None:
    """From all there was about one run of a guest; None while it lives.

    A QEMU that was sent SIGTERM says that it shuts down, at the host's request: nobody who wanted the guest
    to run asked for that, so it counts as killed.
    """
    events = [report for report in reports if isinstance(report, Lifecycle)]
    stopped = next((event for event in events if event.event == STOPPED), None)
    if stopped is None:
        return _lost(reports)
    if stopped.detail == BY_DESTROY:
        return Ending(KILLED, "killed")
    by_host = any((event.event, event.detail) == (SHUTDOWN, HOST_REQUEST) for event in events)
    if stopped.detail == BY_SHUTDOWN and not by_host:
        return Ending(0, "shut down")
    why = "; ".join(dict.fromkeys(event.why for event in events if event.why))
    return Ending(CRASHED, "was ended from outside" if by_host else "crashed", why)


def _lost(reports: Sequence[Report]) -> Ending | None:
    """Its actor failed too often: nobody would see its end."""
    for report in reports:
        if isinstance(report, ChildFailed) and report.decision.startswith("give up"):
            return Ending(LOST, "is out of control", f"{report.reason}; {report.decision}")
    return None
