"""``make simulate SEEDS=N FIRST=n``: runs so many simulations, says which fails and how to see it again."""

from __future__ import annotations

import sys
import time
import traceback

from simulation.scenario import Simulation

LAST = 60
"""Lines of the trace that are shown of a failure."""


def main(first: int, seeds: int) -> int:
    """Exit status."""
    begun = time.monotonic()
    for seed in range(first, first + seeds):
        simulation = Simulation(seed)
        try:
            simulation.run()
        except Exception as error:  # noqa: BLE001 - whatever a thread of it died of
            show(simulation, error)
            return 1
    took = time.monotonic() - begun
    say(f"{seeds} simulations from seed {first}: all well, {seeds / took:.1f} a second")
    return 0


def show(simulation: Simulation, error: BaseException) -> None:
    """The end of a run that failed."""
    for at, who, what in simulation.trace[-LAST:]:
        say(f"{at:12.6f} {who:24} {what}")
    say("".join(traceback.format_exception(error)))
    say(f"seed {simulation.seed} failed: {type(error).__name__}: {error}")
    say(f"again: make simulate SEEDS=1 FIRST={simulation.seed}")


def say(text: str) -> None:
    """A line of the report."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
