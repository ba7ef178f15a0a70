"""How long ``embervirt --help`` takes, the whole process: ten runs, in milliseconds. The aim is below 200."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [str(Path(sys.executable).with_name("embervirt")), "--help"]
RUNS = 10


def seconds() -> float:
    """Of one run."""
    start = time.perf_counter()
    subprocess.run(COMMAND, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    seconds()  # writes the byte code and warms the page cache
    taken = sorted(seconds() * 1000 for _ in range(RUNS))
    middle = statistics.median(taken)
    sys.stdout.write(
        f"embervirt --help: median {middle:.0f} ms, fastest {taken[0]:.0f}, slowest {taken[-1]:.0f}\n"
    )
