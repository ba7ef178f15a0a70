"""One run of a guest, as it is handed to its actor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from embervirt.drivers.qemu.model import Domain
from embervirt.drivers.qemu.store import Record
from embervirt.drivers.qemu.tables import guest_actor
from embervirt.drivers.root.paths import RootPaths


@dataclass(frozen=True)
class Plan:
    """``id`` is given once in the life of a root; ``xml`` is what the guest is started from.

    ``recorded``: it is known to have run, so it is only ever found again, never started. ``orphan``: what
    stands for its record, which is lost. ``trace``: of the request that wants it. ``reset_nvram``: its
    firmware's variables are made anew.
    """

    id: int
    domain: Domain
    xml: str
    paused: bool = False
    autodestroy: bool = False
    recorded: bool = False
    orphan: Record | None = None
    trace: int = 0
    reset_nvram: bool = False

    @property
    def actor(self) -> str:
        """Its actor's name on the bus."""
        return guest_actor(self.id)

    @property
    def child(self) -> str:
        """The id of that actor among its supervisor's children."""
        return f"{self.id}-{self.domain.name}"

    def directory(self, paths: RootPaths) -> Path:
        """Monitor socket, master key and exit status of this run."""
        return paths.domain_dir(self.id, self.domain.name)

    def ram_dir(self, paths: RootPaths, memory_backing_dir: str | None) -> Path:
        """Where the files behind its memory go, if it has any."""
        return paths.ram_path(self.id, self.domain.name, memory_backing_dir)
