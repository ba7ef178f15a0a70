"""One table: figure, ours, floor or peer, ratio, limit, and whether it holds."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

import embervirt as libvirt
from bench import calls, definitions, lifecycle, network, reads, roots, storage
from bench.figure import Figure

COLUMNS = ("figure", "ours", "floor or peer", "ratio", "limit", "holds")
HOLDS = {True: "yes", False: "NO", None: ""}


def parts(conn: libvirt.virConnect, directory: Path) -> Mapping[str, Callable[[], Iterator[Figure]]]:
    """What can be asked for by name."""
    return {
        "lifecycle": lambda: lifecycle.figures(conn, directory),
        "reads": lambda: reads.figures(conn, directory),
        "definitions": lambda: definitions.figures(conn, directory),
        "calls": lambda: calls.figures(conn),
        "roots": lambda: roots.figures(directory),
        "storage": lambda: storage.figures(conn, directory),
        "network": lambda: network.figures(directory),
    }


def main(wanted: list[str]) -> None:
    """All parts, or those that are named."""
    table = Table(*COLUMNS)
    with tempfile.TemporaryDirectory(prefix="embervirt-bench-") as name:
        directory = Path(name)
        with libvirt.open(f"qemu:///embed?root={directory}/root") as conn:
            for part, measure in parts(conn, directory).items():
                for figure in measure() if not wanted or part in wanted else ():
                    row = figure.what, figure.ours, figure.other, figure.ratio, figure.limit
                    table.add_row(*row, HOLDS[figure.holds])
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    table.caption = f"load at the end {load}, on {os.cpu_count()} cores"
    Console(width=120).print(table)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(sys.argv[1:])
