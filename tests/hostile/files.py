"""The files that the seeds name."""

from __future__ import annotations

from pathlib import Path
from subprocess import DEVNULL, run

from hostile.seeds import FILES


def make(directory: Path) -> None:
    """Empty images of a MiB each."""
    for name, format_ in FILES.items():
        words = ["qemu-img", "create", "-q", "-f", format_, str(directory / name), "1M"]
        run(words, check=True, stdin=DEVNULL)
