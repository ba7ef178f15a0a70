"""``make soak MINUTES=30 SEED=...``: a soak and its figures; exit status 1 when anything was wrong."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console

from guest.image import ensure
from soak.driver import Soak
from soak.nemesis import Shape
from soak.show import liner, summary

KEPT = Path(__file__).resolve().parents[2] / ".cache" / "soak"
"""Histories and logs of the last soak that failed."""


@click.command
@click.option("--minutes", default=30.0, show_default=True, help="how long it lasts")
@click.option("--seed", default="", help="chooses calls and faults; the time, if not given")
def main(minutes: float, seed: str) -> None:
    """Mixed operations on real QEMUs, which are killed and stopped, as are the actors and the program."""
    ensure()
    console, shape = Console(), Shape(60 * minutes, seed or str(int(time.time())))
    console.print(f"soak of {minutes:g} minutes, seed {shape.seed}")
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    soak = Soak(shape, folder / "root", folder, liner(console))
    try:
        problems = [*soak.run(), *(f"left behind: {process}" for process in soak.left())]
        console.print(*summary(soak, soak.grown()), sep="\n")
        for problem in problems:
            console.print("wrong:", problem, style="red", markup=False, highlight=False, soft_wrap=True)
        if problems:
            keep(folder)
            console.print(f"[bold red]seed {shape.seed} failed[/]; histories and logs: {KEPT}")
            raise SystemExit(1)
        console.print("[bold green]nothing lost, nothing unexplained, nothing grows")
    finally:
        shutil.rmtree(folder)


def keep(folder: Path) -> None:
    """What tells how it failed."""
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    for path in (*folder.glob("*.jsonl"), *folder.glob("*.log")):
        shutil.copy(path, KEPT)


if __name__ == "__main__":
    main()
