"""The programs that a kind of pool runs: mount and mkfs, LVM's, parted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embervirt import disk
from embervirt.drivers.storage.backend import child
from embervirt.drivers.storage.jobs import Job

UDEV = Path("/run/udev/control")
"""There while udevd runs; in a container it does not, and LVM makes its device nodes itself when told so."""

WITHOUT_UDEV = ("env", "DM_DISABLE_UDEV=1")
LVM = ("pv", "vg", "lv")
"""How LVM's programs begin."""


@dataclass(frozen=True)
class Programs:
    """``scratch``: a folder for their output and status."""

    job: Job
    scratch: Path

    def run(self, argv: Sequence[str]) -> None:
        """To its end, or until the job is cancelled. Raises StorageInternal with all it said."""
        child.run(self.job, argv, self.scratch)

    def change(self, argv: Sequence[str]) -> None:
        """The same for one that nobody may kill in the middle: it has the tables of a disk in its hand."""
        self.job.check()
        with self.job.steady() as job:
            child.run(job, without_udev(argv), self.scratch)

    def ask(self, argv: Sequence[str]) -> str:
        """What it prints."""
        output = self.scratch / f"{self.job.row.id}.out"
        try:
            child.run(self.job, without_udev(argv), self.scratch, output=output)
            return output.read_text(errors="replace")
        finally:
            disk.unlink(output, missing_ok=True)


def without_udev(argv: Sequence[str]) -> Sequence[str]:
    """The command for this host."""
    return (
        argv
        if UDEV.exists() or not argv[0].startswith(LVM)
        else [*WITHOUT_UDEV, child.find(argv[0]), *argv[1:]]
    )
