"""A soak in words: one line while it runs, tables at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from soak.driver import Soak
from soak.growth import Growth

EVERY = 10.0
"""Seconds between two lines."""

FAULTS = {
    "kill": "SIGKILL of a QEMU",
    "stop": "SIGSTOP of a QEMU",
    "crash": "crash of an actor",
    "reopen": "close and open of the root",
    "freeze": "SIGSTOP of the program",
    "end": "SIGKILL of the program",
}


def liner(console: Console) -> Callable[[Soak], None]:
    """Prints where a soak is, every ten seconds."""
    due = time.monotonic() + EVERY

    def line(soak: Soak) -> None:
        nonlocal due
        if time.monotonic() < due:
            return
        due += EVERY
        counts = soak.judge.counts
        done = ", ".join(f"{counts[kind]} {kind}" for kind in FAULTS)
        seconds = time.monotonic() - soak.begun
        guests = f"{len(soak.eyes.alive)} guests, {soak.eyes.seen} so far"
        console.print(
            f"[bold]{seconds:5.0f} s[/] program {soak.programs}, {counts['calls']} calls, {guests}; {done}",
            _uses(soak),
            highlight=False,
        )

    return line


def _uses(soak: Soak) -> str:
    if not soak.samples:
        return ""
    figures = soak.samples[-1].figures
    return "; ".join(f"{value:.0f} {name}" for name, value in figures.items())


def summary(soak: Soak, grown: list[Growth]) -> list[Table]:
    """What happened, how calls ended, what the last program used."""
    counts = soak.judge.counts
    happened = Table(
        "what happened", "times", title=f"{soak.shape.seconds / 60:.1f} minutes, seed {soak.shape.seed}"
    )
    rows = {
        "calls": counts["calls"],
        "QEMUs": soak.eyes.seen,
        "at once, at most": soak.eyes.most,
        "programs": soak.programs,
        "events": counts["events"],
        **{words: counts[kind] for kind, words in FAULTS.items()},
    }
    for what, times in rows.items():
        happened.add_row(what, str(times))
    return [happened, _ends(soak.judge.outcomes), _slowest(soak.judge.slowest), _growth(grown)]


def _ends(outcomes: Counter[str]) -> Table:
    table = Table("a call ended with", "times")
    for outcome, times in outcomes.most_common():
        table.add_row(outcome, str(times))
    return table


def _slowest(slowest: dict[str, float]) -> Table:
    table = Table("call", "longest, ms")
    for op, seconds in sorted(slowest.items(), key=lambda item: -item[1]):
        table.add_row(op, f"{seconds * 1000:.0f}")
    return table


def _growth(grown: list[Growth]) -> Table:
    table = Table("the program that stayed", "at first", "at last", "at most", "grown", "allowed", "")
    for each in grown:
        verdict = "[green]flat" if each.flat else "[red]grows"
        figures = (each.first, each.last, each.highest, each.grown, each.allowed)
        table.add_row(each.name, *(f"{figure:.1f}" for figure in figures), verdict)
    return table
