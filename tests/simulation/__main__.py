"""``make simulate SEEDS=N FIRST=n``: runs so many simulations, and says which seed fails and how to see it."""

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
        except BaseException as error:
            show(simulation, error)
            return 1
    took = time.monotonic() - begun
    print(f"{seeds} simulations from seed {first}: all well, {seeds / took:.1f} a second")
    return 0


def show(simulation: Simulation, error: BaseException) -> None:
    """The end of a run that failed."""
    for at, who, what in simulation.trace[-LAST:]:
        print(f"{at:12.6f} {who:24} {what}")
    traceback.print_exception(error)
    print(f"\nseed {simulation.seed} failed: {type(error).__name__}: {error}")
    print(f"again: make simulate SEEDS=1 FIRST={simulation.seed}")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
