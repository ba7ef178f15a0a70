"""What serves a network beside the agent: a child that outlives it, as QEMU does."""

from __future__ import annotations

import os
import select
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from embervirt import disk, faults, world
from embervirt.drivers.network.errors import NetworkInternal, told
from embervirt.supervisor import search
from embervirt.supervisor.identity import Process, identify
from embervirt.supervisor.processes import Watched
from embervirt.supervisor.recorder import Spawned, kill, spawn

READY = 15.0
"""Seconds until it serves; it needs some milliseconds."""

LEAVING = 2.0
"""Seconds for its end after SIGTERM; it needs less than one millisecond."""

KILLED = 5.0
"""Seconds the kernel may need to end a process that was sent SIGKILL."""

LONGEST = 16 << 10
"""Bytes of a complaint that are kept."""


@dataclass(frozen=True)
class Server(ABC):
    """One network's. ``conf``, its configuration, tells it from every other by its command line.

    ``rereads``: it takes a changed configuration at SIGHUP, not only changed files of hosts.
    """

    name: ClassVar[str]
    rereads: ClassVar[bool]
    network: str
    conf: Path
    log: Path
    status: Path

    @property
    @abstractmethod
    def nonce(self) -> str:
        """What only its command line has."""

    @property
    @abstractmethod
    def argv(self) -> list[str]:
        """It stays in the foreground: its parent is a recorder."""

    @property
    def environment(self) -> Mapping[str, str] | None:
        """All of it; None for the usual."""
        return None

    def start(self) -> Watched:
        """It serves when this returns. Raises NetworkInternal with its words, NetworkSystemError.

        It gives up its standard error once it has all its sockets: until then it complains there.
        """
        argv = self.argv
        reader, writer = os.pipe()
        try:
            try:
                with told(f"start {self.name} of network '{self.network}'"):
                    spawned = spawn(argv, status_file=self.status, log_fd=writer, env=self.environment)
            finally:
                os.close(writer)
            try:
                return self._serving(spawned, argv, reader)
            except BaseException:
                kill(spawned, KILLED)
                disk.unlink(self.status, missing_ok=True)
                raise
        finally:
            os.close(reader)

    def _serving(self, spawned: Spawned, argv: list[str], reader: int) -> Watched:
        if faults.armed:
            faults.hit("process.spawned", program=argv[0], pid=spawned.pid)
        said = self._listen(reader)
        identity = identify(spawned.pid, self.nonce)
        if identity is None or said:
            raise NetworkInternal(f"Child process ({' '.join(argv)}) unexpected exit status: {said}")
        return Watched(identity, spawned, str(self.status))

    def _listen(self, reader: int) -> str:
        """What it says before it serves, or ends."""
        said, until = b"", world.monotonic() + READY
        while _readable(reader, until - world.monotonic()):
            data = os.read(reader, 4096)
            if not data:
                return said.decode(errors="replace").strip()
            said = (said + data)[-LONGEST:]
        text = f"{self.name} of network '{self.network}' did not begin to serve within {READY:g} s"
        raise NetworkInternal(f"{text}; see {self.log}")


def alive(watched: Watched) -> bool:
    """Whether exactly that process is there."""
    process = Process.attach(watched.identity)
    if process is None:
        return False
    process.close()
    return True


def reread(watched: Watched) -> bool:
    """Tell it that the files of its hosts changed; False when it is gone."""
    process = Process.attach(watched.identity)
    if process is None:
        return False
    with process:
        return process.signal(signal.SIGHUP)


def stop(watched: Watched) -> None:
    """It is gone when this returns."""
    process = Process.attach(watched.identity)
    if process is not None:
        with process:
            process.signal(signal.SIGTERM)
            if process.stopped or not process.wait(LEAVING):
                process.signal(signal.SIGKILL)
                process.wait(KILLED)
    watched.status()
    disk.unlink(Path(watched.status_file), missing_ok=True)


def end_all(server: Server) -> None:
    """Whoever runs with that configuration: a start that nobody recorded, or one that is no longer known."""
    search.kill_all(server.nonce, KILLED)


def _readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()  # select(2) knows only the first 1024 descriptors
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))
