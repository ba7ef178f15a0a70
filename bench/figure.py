"""A line of the table, the ways to make one, and the clocks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """``holds``: whether it is within its limit; None when it has none, or could not be measured."""

    what: str
    ours: str
    other: str = ""
    ratio: str = ""
    limit: str = ""
    holds: bool | None = None


def times_floor(what: str, ours: float, floor: float, limit: float | None, unit: str = "ms") -> Figure:
    """As a multiple of a floor."""
    ratio = ours / floor
    most, holds = ("", None) if limit is None else (f"{limit:g} x", ratio <= limit)
    return Figure(f"{what}, {unit}", f"{ours:.4g}", f"{floor:.4g}", f"{ratio:.2f} x", most, holds)


def over_floor(what: str, ours: float, floor: float, limit: float) -> Figure:
    """In milliseconds, as what it takes more than a floor."""
    more = ours - floor
    ratio = f"{more:+.2f} ms"
    return Figure(f"{what}, ms", f"{ours:.2f}", f"{floor:.2f}", ratio, f"+{limit:g} ms", more <= limit)


def times_faster(what: str, ours: float, peer: float, limit: float) -> Figure:
    """In milliseconds, as how many times faster it is than a peer."""
    ratio = peer / ours
    return Figure(
        f"{what}, ms", f"{ours:.1f}", f"{peer:.1f}", f"{ratio:.2f} x faster", f"{limit:g} x", ratio >= limit
    )


def at_most(what: str, ours: float, limit: float | None, unit: str, floor: float | None = None) -> Figure:
    """By itself; ``floor`` is shown beside it."""
    beside = "" if floor is None else f"{floor:.3g}"
    ratio = "" if floor is None else f"{ours / floor:.2f} x"
    most, holds = ("", None) if limit is None else (f"{limit:g} {unit}", ours <= limit)
    return Figure(f"{what}, {unit}", f"{ours:.3g}", beside, ratio, most, holds)


def milliseconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def both(work: Callable[[], object]) -> tuple[float, float]:
    """How long ``work`` takes, and what of it this process computes, the kernel's part included."""
    begun = time.process_time()
    spent = milliseconds(work)
    return spent, (time.process_time() - begun) * 1000


def microseconds(work: Callable[[], object], times: int, repeats: int = 5) -> float:
    """Of one call, the fastest of some runs of ``times`` calls each."""
    return min(milliseconds(lambda: [work() for _ in range(times)]) for _ in range(repeats)) * 1000 / times


def medians(rows: Iterable[Iterable[float]]) -> list[float]:
    """Of each column."""
    return [statistics.median(column) for column in zip(*rows, strict=True)]
