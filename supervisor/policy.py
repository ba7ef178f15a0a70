"""When to restart and when to give up: pure functions of the failures so far and the time (3.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from embervirt.actors.exits import Exit
from embervirt.supervisor.spec import Backoff, ChildSpec, Supervision

Uniform = Callable[[float, float], float]
STEADY = 66
"""The delay does not grow after so many failures."""


@dataclass(frozen=True)
class Restarting:
    """Start it again at ``due``; ``failures`` in a row and the window's new log go with it."""

    due: float
    failures: int
    log: tuple[float, ...]


@dataclass(frozen=True)
class GivingUp:
    """It failed too often, or in a way that no restart mends."""

    why: str
    log: tuple[float, ...]


@dataclass(frozen=True)
class Dropped:
    """It ended for good, as its restart type says."""


Decision = Restarting | GivingUp | Dropped


def delay(backoff: Backoff, failures: int, uniform: Uniform) -> float:
    """Seconds before restart number ``failures``: 0, then initial, growing by factor, never over cap."""
    if failures <= 1:
        return 0.0
    spread = uniform(1 - backoff.jitter, 1 + backoff.jitter)
    steps = min(failures, STEADY) - 2
    return min(backoff.cap, backoff.initial * backoff.factor**steps * spread)


def window(log: Sequence[float], now: float, period: float) -> tuple[float, ...]:
    """The restarts that still count: a sliding window, half open, so one exactly ``period`` old is out."""
    return tuple(at for at in log if at > now - period)


def decide(
    spec: ChildSpec,
    flags: Supervision,
    reason: Exit,
    *,
    now: float,
    up_for: float | None,
    failures: int,
    log: Sequence[float],
    uniform: Uniform,
) -> Decision:
    """What becomes of a child that ended. ``up_for``: seconds since it was ready, None if it never was."""
    if reason.kind == "ignored" or spec.restart == "temporary":
        return Dropped()
    if spec.restart == "transient" and not reason.abnormal:
        return Dropped()
    if isinstance(reason.error, spec.permanent_errors):
        return GivingUp(f"permanent error, {reason}", tuple(log))
    if up_for is not None and up_for >= spec.backoff.healthy:
        failures = 0
    failures += 1
    counted = (*window(log, now, flags.period), now)
    if len(counted) > flags.intensity:
        return GivingUp(f"more than {flags.intensity} restarts in {flags.period:g} s, last {reason}", counted)
    return Restarting(now + delay(spec.backoff, failures, uniform), failures, counted)


def unreachable(spec: ChildSpec, flags: Supervision) -> str | None:
    """A warning when the delays alone take longer than the period, so that the limit never trips."""
    growing = range(1, min(flags.intensity, STEADY) + 1)
    delays = [delay(spec.backoff, n, lambda low, high: 1.0) for n in growing]
    total = sum(delays) + max(0, flags.intensity - STEADY) * max(delays, default=0.0)
    if total < flags.period:
        return None
    return (
        f"intensity unreachable: {flags.intensity} restarts of {spec.id} take {total:.3g} s by their delays, "
        f"the period is {flags.period:g} s"
    )
