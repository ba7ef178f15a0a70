"""Simulated processes as ``supervisor.identity`` and its neighbours see them: proc, pidfds, signals.

They outlive the agent and end with the host. Numbers are given again soon, as on a host with a small
``pid_max``: whoever trusts one meets a stranger.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from embervirt.supervisor import identity, proc, recorder, search
from simulation.scheduler import Scheduler, Signal
from simulation.sockets import Descriptors
from simulation.threads import until

FIRST, LAST = 100, 114
EXECUTABLE = (7, 77)


@dataclass(eq=False)
class Process:
    """``hear`` gets signals other than SIGKILL, SIGSTOP and SIGCONT while it is not stopped.

    ``judge`` is asked whether a signal of the agent's is right.
    """

    pid: int
    parent: int
    start: int
    command: bytes
    hear: Callable[[int], None]
    ended: Signal = field(default_factory=Signal)
    on_end: Callable[[int], None] = lambda status: None
    on_continue: Callable[[], None] = lambda: None
    judge: Callable[[int], None] = lambda number: None
    alive: bool = True
    stopped: bool = False
    status: int = 0
    waiting: list[int] = field(default_factory=list)


class Kernel:
    """One host: it boots again with ``reboot``."""

    def __init__(self, scheduler: Scheduler, descriptors: Descriptors) -> None:
        self.scheduler, self.descriptors = scheduler, descriptors
        self.processes: dict[int, Process] = {}
        self.boot = "boot-1"
        self._last = FIRST
        self._held: dict[int, Process] = {}

    def reboot(self) -> None:
        """Every process is gone."""
        for each in list(self.processes.values()):
            each.alive, each.on_end = False, lambda status: None
        self.processes.clear()
        self._held.clear()
        self.boot = f"boot-{int(self.boot.split('-')[1]) + 1}"
        identity.boot_id.cache_clear()

    # Processes.

    def start(
        self, command: bytes, hear: Callable[[int], None] = lambda number: None, parent: int = 1
    ) -> Process:
        """A new one, under the next number that is free."""
        while True:
            self._last = FIRST + (self._last + 1 - FIRST) % (LAST - FIRST)
            if self._last not in self.processes:
                break
        made = Process(self._last, parent, int(self.scheduler.now * 1e4), command, hear)
        self.processes[made.pid] = made
        self.scheduler.note(f"process {made.pid} starts")
        return made

    def stranger(self, pid: int) -> None:
        """A process that is none of ours, under a number that one of ours had, for a while."""
        self._last = pid - 1
        made = self.start(b"stranger\0")
        made.judge = lambda number: self.scheduler.broken("no stranger is signalled", str(number))
        later = self.scheduler.now + self.scheduler.random.random() * 20
        self.scheduler.call_at(later, lambda: self.end(made, 0))

    def end(self, process: Process, status: int) -> None:
        """``status``: as a shell has it. Nobody has to collect it."""
        if not process.alive:
            return
        self.scheduler.note(f"process {process.pid} ends: {status}")
        process.alive, process.status = False, status
        self.processes.pop(process.pid, None)
        process.ended.fire()
        process.on_end(status)

    def kill(self, process: Process, number: int) -> None:
        """A signal, from anybody."""
        self.scheduler.note(f"signal {number} to process {process.pid}")
        match number:
            case signal.SIGKILL:
                self.end(process, 128 + number)
            case signal.SIGSTOP:
                process.stopped = True
            case signal.SIGCONT:
                self._go_on(process)
            case _ if process.stopped:
                process.waiting.append(number)
            case _:
                process.hear(number)

    def _go_on(self, process: Process) -> None:
        process.stopped = False
        waiting, process.waiting = process.waiting, []
        process.on_continue()
        for number in waiting:
            process.hear(number)

    # What the modules call.

    def pidfd_open(self, pid: int) -> int:
        """As ``os``'s."""
        self.scheduler.checkpoint()
        process = self.processes.get(pid)
        if process is None:
            raise ProcessLookupError(3, "No such process")
        number = self.descriptors.add(lambda: not process.alive, process.ended)
        self._held[number] = process
        return number

    def close(self, number: int) -> None:
        """As ``os``'s: of what ``pidfd_open`` gave, or of a real file."""
        if number in self._held:
            self.descriptors.close(number)
            del self._held[number]
        else:
            os.close(number)

    def pidfd_send_signal(self, number: int, which: int) -> None:
        """As ``signal``'s."""
        self.scheduler.checkpoint()
        process = self._held[number]
        if not process.alive:
            raise ProcessLookupError(3, "No such process")
        process.judge(which)
        self.kill(process, which)

    def poll(self) -> Poll:
        """As ``select``'s."""
        return Poll(self)

    # As ``supervisor.proc``'s.

    def pids(self) -> list[int]:
        """Of all processes."""
        return sorted(self.processes)

    def executable(self, pid: int) -> tuple[int, int] | None:
        """One for all."""
        self.scheduler.checkpoint()
        return EXECUTABLE if pid in self.processes else None

    def read(self, pid: int, name: str) -> bytes:
        """``stat`` and ``cmdline``."""
        self.scheduler.checkpoint()
        process = self.processes.get(pid)
        if process is None or name not in ("stat", "cmdline"):
            return b""
        if name == "cmdline":
            return process.command
        state, between = b"T" if process.stopped else b"S", b"0 " * 17
        about = (process.pid, state, process.parent, between, process.start)
        return b"%d (qemu) %s %d %s%d\n" % about

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The two modules see these processes."""
        names: list[tuple[Any, str, Any]] = [
            (identity, "os", Instead(os, pidfd_open=self.pidfd_open, close=self.close)),
            (identity, "signal", Instead(signal, pidfd_send_signal=self.pidfd_send_signal)),
            (identity, "select", Instead(select, poll=self.poll)),
            *((proc, name, getattr(self, name)) for name in ("pids", "executable", "read")),
            (proc, "boot", lambda: self.boot),
            (search, "os", Instead(os, close=self.close)),
            (recorder, "os", Instead(os, close=self.close, waitid=_not_ours)),
        ]
        before = [getattr(module, name) for module, name, _ in names]
        for module, name, value in names:
            setattr(module, name, value)
        identity.boot_id.cache_clear()
        try:
            yield
        finally:
            for (module, name, _), value in zip(names, before, strict=True):
                setattr(module, name, value)
            identity.boot_id.cache_clear()


class Instead:
    """A module with some names in the place of its own."""

    def __init__(self, module: Any, **names: Any) -> None:
        self._module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _not_ours(*_: object) -> None:
    raise ChildProcessError(10, "No child processes")


class Poll:
    """``select.poll`` of one pidfd."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel, self._number = kernel, -1

    def register(self, number: int, flags: int) -> None:
        """For POLLIN."""
        self._number = number

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        """As ``select``'s."""
        known = self._kernel.descriptors.open.get(self._number)
        if known is None:
            return [(self._number, select.POLLNVAL)]
        readable, changed = known
        scheduler = self._kernel.scheduler
        ready = scheduler.until(readable, (changed,), until(scheduler, milliseconds / 1000))
        return [(self._number, select.POLLIN)] if ready else []

