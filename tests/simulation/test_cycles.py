"""A domain that is started and ended as fast as possible, a thousand times, in simulated time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from embervirt.drivers.qemu.backend.protocol import Command
from embervirt.drivers.qemu.messages import Create, Define, Destroy
from embervirt.errors import OperationInvalid, SystemError_
from embervirt.runtime.root import Root
from simulation.qemu import Host, Qemu
from simulation.scenario import PATIENCE, Simulation, replaced
from simulation.scheduler import Failure

CYCLES = 1000
REFUSED = (OperationInvalid, SystemError_)
"""It runs, or does not; the simulated disk took half a line."""


class Cycles(Simulation):
    """``places``: the directories of all runs."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.places: list[Path] = []
        self.over = False

    def run(self) -> None:
        """As any other."""
        spawn = Host.spawn

        def noted(host: Host, command: Command, argv: Sequence[str]) -> Qemu:
            self.places.append(command.directory)
            return spawn(host, command, argv)

        with replaced(Host, spawn=noted):
            super().run()

    def _main(self) -> None:
        self._faults(on=False)
        agent = self.scheduler.spawn("agent", self._agent, group="agent")
        self.scheduler.until(lambda: agent.done, (agent.ended,), self.scheduler.now + CYCLES * PATIENCE)
        if not agent.done:
            raise Failure("each request settles", "the agent has not ended")
        self._die("agent")

    def _agent(self) -> None:
        root, domain = self._open(), self.domains[0]
        root.call("qemu", Define(domain.name, domain.uuid, domain.versions[0]))
        starting = self.scheduler.spawn("starting", lambda: self._start(root))
        ending = self.scheduler.spawn("ending", lambda: self._end(root))
        self.scheduler.until(lambda: starting.done and ending.done, (starting.ended, ending.ended))
        if self.host.qemus:
            raise Failure("destroyed is gone", "a QEMU runs in the end")
        self._close(root)

    def _start(self, root: Root) -> None:
        started = 0
        while started < CYCLES:
            try:
                root.call("qemu", Create(self.domains[0].uuid))
                started += 1
            except REFUSED:
                self.scheduler.let_pass(self.random.random() * 0.01)
        self.over = True

    def _end(self, root: Root) -> None:
        running = root.part("qemu").face.tables.running
        while not self.over or running.get(self.domains[0].uuid) is not None:
            row = running.get(self.domains[0].uuid)
            try:
                if row is not None:
                    root.call(row.actor, Destroy())
            except REFUSED:
                pass
            self.scheduler.let_pass(self.random.random() * 0.01)


@pytest.mark.timeout(600)
def test_i14_a_thousand_starts_and_ends_make_no_second_process_and_use_no_place_twice() -> None:
    """Each QEMU takes its own time to end; the simulated host refuses a second one for a domain."""
    run = Cycles(14)
    run.run()
    assert len(run.places) == len(set(run.places)) >= CYCLES
