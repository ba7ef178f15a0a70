"""A root whose disk took no more: it is shown as read only until a probe can write there again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from embervirt.actors.actor import Actor, Context
from embervirt.actors.bus import Bus
from embervirt.actors.work import Work
from embervirt.config.settings import Settings
from embervirt.drivers.driver import child
from embervirt.drivers.root import files
from embervirt.errors import SystemError_
from embervirt.supervisor.supervisor import Supervisor

READ_ONLY = "read_only"
EVERY = 1.0
"""Seconds between two probes."""


def refusals(settings: Settings, bus: Bus, supervisor: Supervisor) -> Callable[[Path, str], None]:
    """To be told of each write that the disk refused: the file, and why. From any thread."""
    numbers = itertools.count(1)

    def refused(path: Path, why: str) -> None:
        told = READ_ONLY in bus.broken
        bus.broken[READ_ONLY] = f"cannot write '{path}': {why}"
        if not told:
            probe = partial(Probe, directory=path.parent)
            spec = child(settings, bus, f"probe-{next(numbers)}", probe, restart="temporary")
            supervisor.start_child(("root",), spec)

    return refused


class Probe(Actor):
    """There as long as the root is shown so. It probes where the file is that was refused."""

    def __init__(self, context: Context, directory: Path) -> None:
        super().__init__(context)
        self._directory = directory

    def setup(self) -> None:
        """Whoever is refused after its end says so again."""
        self.resources.callback(self.bus.broken.pop, READ_ONLY, None)
        self.work(self._probes())

    def _probes(self) -> Work[None]:
        works = False
        while not works:
            yield self.within(Future(), EVERY)
            try:
                files.probe(self._directory)
            except SystemError_ as error:
                self.bus.broken[READ_ONLY] = str(error)
            else:
                works = True
        self.finish()
