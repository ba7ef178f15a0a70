"""The guest that counts: does its console say that it never stopped, was reset or started anew?"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TICK = re.compile(r"uptime ([0-9.]+) tick ([0-9]+)\s")
WAIT = 20.0
"""Seconds for one more tick, on a machine with more to do than it can."""

LAG = 3.0
"""Seconds by which its clock may be read late; beyond, it stood still."""

DRIFT = 0.02
"""Share of the time by which an emulated clock may differ from the host's."""


class Moment(NamedTuple):
    """``at`` on the host's clock the guest had this ``uptime``."""

    at: float
    uptime: float


def ticks(console: Path) -> list[tuple[float, int]]:
    """Uptime and number of each tick so far."""
    text = console.read_text(errors="replace") if console.exists() else ""
    return [(float(uptime), int(number)) for uptime, number in TICK.findall(text)]


def moment(console: Path) -> Moment | None:
    """Of the next tick; None when there is none in time."""
    before, deadline = len(ticks(console)), time.monotonic() + WAIT
    while time.monotonic() < deadline:
        found = ticks(console)
        if len(found) > before:
            return Moment(time.monotonic(), found[-1][0])
        select.select([], [], [], 0.02)
    return None


def wrong(numbers: list[int], first: Moment | None, last: Moment | None) -> Iterator[str]:
    """What its console says against its having run all the time between the two moments."""
    if numbers != list(range(len(numbers))):
        gap = next(n for n, number in enumerate(numbers) if number != n)
        yield f"the counter's ticks have a gap or begin anew: {numbers[max(0, gap - 3) : gap + 3]}"
    if first is None or last is None:
        yield "the counter does not count any more"
        return
    host, guest = last.at - first.at, last.uptime - first.uptime
    if abs(host - guest) > LAG + DRIFT * host:
        yield f"the counter stood still: {guest:.1f} s passed for it in {host:.1f} s"
