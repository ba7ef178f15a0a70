"""What the QEMU driver needs of the world: processes, monitors, capabilities. ``real`` has them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from embervirt.config.accounts import Account
from embervirt.drivers.qemu.backend.monitor import OnClose, OnEvent
from embervirt.drivers.qemu.capabilities import Capabilities
from embervirt.supervisor.identity import Identity
from embervirt.supervisor.oom import Group
from embervirt.supervisor.recorder import Spawned

MONITOR_SOCKET = "monitor.sock"
"""Libvirt's name of it, in the directory of the run."""


class Session(Protocol):
    """A QMP session: see ``Monitor`` for what each raises."""

    def execute(self, command: str, arguments: Mapping[str, Any] | None = None, *, timeout: float) -> Any:
        """What QEMU returns for ``command``, within ``timeout`` seconds."""
        ...

    def submit(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, timeout: float | None
    ) -> Future[Any]:
        """As ``execute``, without waiting; with None for as long as the session lasts."""
        ...

    def give(self, name: str, descriptor: int, *, timeout: float) -> Future[Any]:
        """QEMU gets a descriptor under ``name``; see ``Monitor.give``."""
        ...

    def shut(self) -> None:
        """Cuts the connection at once, without waiting for anybody."""
        ...

    def close(self) -> None:
        """Ends the session, in order; QEMU goes on."""
        ...


@dataclass(frozen=True)
class Command:
    """What to start, where. ``argv`` gets the number of the listening monitor socket, for
    ``-chardev socket,fd=N,server=on,wait=on``, and gives the emulator's absolute path and its arguments.

    ``directory`` is of this run alone, exists, and is 0700. ``nonce`` is text of the arguments that no
    other process has. ``pass_fds`` are open descriptors that QEMU gets under the same numbers. ``account``:
    whose rights it has, if not ours.
    """

    directory: Path
    log: Path
    status_file: Path
    nonce: str
    argv: Callable[[int], Sequence[str]]
    pass_fds: tuple[int, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None

    @property
    def monitor(self) -> Path:
        """The monitor's socket."""
        return self.directory / MONITOR_SOCKET

    @property
    def environment(self) -> dict[str, str]:
        """See ``environment``; ``variables`` are the guest's own."""
        return {**environment(self.directory), **self.variables}


def environment(directory: Path) -> dict[str, str]:
    """All that QEMU gets of an environment, as libvirt has it: no home but its run's own ``directory``."""
    home = str(directory)
    return {
        "LC_ALL": "C",
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "XDG_DATA_HOME": f"{home}/.local/share",
        "XDG_CACHE_HOME": f"{home}/.cache",
        "XDG_CONFIG_HOME": f"{home}/.config",
    }


@dataclass(frozen=True)
class Launched:
    """A QEMU that has greeted."""

    identity: Identity
    spawned: Spawned
    monitor: Session
    memory: Group | None = None


class Backend(Protocol):
    """The driver's hands. ``deadline`` is on ``time.monotonic``; the callbacks are ``Monitor.connect``'s."""

    def launch(self, command: Command, *, deadline: float, on_event: OnEvent, on_close: OnClose) -> Launched:
        """Starts a QEMU up to its greeting, or leaves nothing; see ``launch.launch``."""
        ...

    def connecting(self, monitor: Path, *, on_event: OnEvent, on_close: OnClose) -> Future[Any]:
        """A ``Session`` with a QEMU that runs, once that greets; see ``Monitor.connecting``."""
        ...

    def converse(self, agent: Path, request: bytes, patience: float | None) -> Future[bytes]:
        """What a guest's agent replies to ``request``; see ``agent.converse``."""
        ...

    def probe(self, binary: str) -> Capabilities:
        """What the emulator can do; see ``probe.cached``."""
        ...
