"""Does a figure grow? A line over the second half of a run, without what the guests of a moment cost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Sample(NamedTuple):
    """One look at the program: ``at`` in seconds, its ``guests`` then, and the figures by name."""

    at: float
    guests: int
    figures: dict[str, float]


class Rule(NamedTuple):
    """Growth over the second half is at most ``share`` of the mean there, or ``floor``, whichever is more."""

    share: float
    floor: float


RULES = {
    "threads": Rule(0.03, 1.5),
    "descriptors": Rule(0.03, 6.0),
    "memory MiB": Rule(0.05, 4.0),
    "zombies": Rule(0.0, 1.0),
    "journals KiB": Rule(0.05, 512.0),
    "run files": Rule(0.05, 3.0),
}
"""``floor``: what a short run may look like, in which tables and journals are not yet as full as they get."""

ENOUGH = 30
"""Samples that a fit needs."""

DOUBT = 3.0
"""Standard errors by which a slope must differ from zero to be one."""


class Growth(NamedTuple):
    """``first`` and ``last``: medians of the first and last quarter; ``grown``: of the fit, second half."""

    name: str
    first: float
    last: float
    highest: float
    grown: float
    error: float
    allowed: float

    @property
    def flat(self) -> bool:
        """It does not grow, or no more than is allowed, or nobody can tell."""
        return self.grown <= self.allowed or self.grown <= DOUBT * self.error


def growth(name: str, samples: Sequence[Sample]) -> Growth:
    """At least ``ENOUGH`` samples."""
    values = [sample.figures[name] for sample in samples]
    half, quarter = samples[len(samples) // 2 :], len(samples) // 4
    late = values[len(samples) // 2 :]
    slope, error = _slope([s.at for s in half], [float(s.guests) for s in half], late)
    seconds, rule = half[-1].at - half[0].at, RULES[name]
    allowed = max(rule.floor, rule.share * statistics.fmean(late))
    first, last = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
    return Growth(name, first, last, max(values), slope * seconds, error * seconds, allowed)


def _slope(times: list[float], guests: list[float], values: list[float]) -> tuple[float, float]:
    """Of the values in time at an equal number of guests (Frisch and Waugh), with its standard error."""
    time, value = _without(guests, times), _without(guests, values)
    spread = math.fsum(t * t for t in time)
    if not spread:
        return 0.0, 0.0
    slope = math.fsum(t * v for t, v in zip(time, value, strict=True)) / spread
    rest = math.fsum((v - slope * t) ** 2 for t, v in zip(time, value, strict=True))
    return slope, math.sqrt(rest / max(1, len(times) - 3) / spread)


def _without(cause: list[float], values: list[float]) -> list[float]:
    """What the line through ``values`` over ``cause`` leaves."""
    if len(set(cause)) == 1:
        mean = statistics.fmean(values)
        return [value - mean for value in values]
    slope, intercept = statistics.linear_regression(cause, values)
    return [value - slope * each - intercept for each, value in zip(cause, values, strict=True)]
