"""passt, the program behind ``<backend type='passt'/>``: a network for one card without any privilege.

At a start it gets one end of a socket pair, QEMU the other, so there is no path. A QEMU that runs cannot use
a descriptor there (7.2 looks it up on a thread that has no monitor) and connects to a socket. Whoever goes
first ends the other.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from embervirt import disk
from embervirt.config.accounts import Account
from embervirt.drivers.qemu.backend import swtpm
from embervirt.drivers.qemu.errors import LaunchFailed
from embervirt.drivers.qemu.model.interface import Interface
from embervirt.drivers.qemu.model.interface_network import PortForward
from embervirt.drivers.qemu.model.interface_source import Ip
from embervirt.drivers.root.files import appending
from embervirt.drivers.root.sockets import ADDRESS_MAX
from embervirt.supervisor.identity import Identity, boot_id
from embervirt.supervisor.processes import Watched
from embervirt.supervisor.recorder import Spawned, spawn

READY = 10.0
"""Seconds until it has its ports; it needs some milliseconds."""

LAST_BYTES = 2000
"""How much of what it said an error quotes."""

FORWARD = {"tcp": "--tcp-ports", "udp": "--udp-ports"}
EVERY = "1-65535"
"""All ports of one address, for which passt has no word."""
NOISE = ("Failed to send", "Don't run as root")
"""What it says of a host without a system log."""


@dataclass(frozen=True)
class Passt:
    """Of one card in one run, whose directory is ``run``; ``sockets``: another with a shorter name."""

    interface: Interface
    run: Path
    sockets: Path
    account: Account | None = None

    @property
    def _ready(self) -> Path:
        """Where it writes its number once it is ready, a pipe; no other command line has its name."""
        return self.run / f"passt-{self.interface.id}.pid"

    @property
    def _status(self) -> Path:
        return self.run / f"passt-{self.interface.id}.status"

    @property
    def _log(self) -> Path:
        return self.run / f"passt-{self.interface.id}.log"

    @property
    def path(self) -> Path:
        """Where a QEMU that runs connects to it."""
        return self.sockets / self.interface.id

    def arguments(self, descriptor: int | None) -> list[str]:
        """Of its command line; without a descriptor it listens. Root must say that it stays so.

        The socket's name is one in its working directory: passt cuts a longer path than 98 bytes, silently.
        """
        root = ["--runas", "0:0"] if os.geteuid() == 0 and self.account is None else []
        mac = ["--mac-addr", self.interface.mac.address] if self.interface.mac else []
        source, backend = self.interface.source, self.interface.backend
        link = ["--interface", source.dev] if source is not None and source.dev else []
        log = ["--log-file", backend.log_file] if backend is not None and backend.log_file else []
        listening = ["--one-off", "--socket", self.path.name]
        connected = listening if descriptor is None else ["--fd", str(descriptor)]
        own = ["--foreground", "--quiet", *root, "--pid", str(self._ready), *connected]
        ips = [word for ip in self.interface.ips for word in _address(ip)]
        forwards = [word for each in self.interface.forwards for word in forward(each)]
        return [*own, *mac, *link, *log, *ips, *forwards]

    def start(self, undo: ExitStack) -> tuple[Watched, socket.socket]:
        """Ready, and QEMU's end, the caller's to close. Raises LaunchFailed with its last words, OSError."""
        near, far = socket.socketpair()
        with ExitStack() as made, far:
            made.callback(near.close)
            watched = self._run(undo, far.fileno())
            made.pop_all()
        return watched, near

    def listen(self, undo: ExitStack) -> Watched:
        """Ready, at ``path``. Raises the same."""
        if len(os.fsencode(self.path)) > ADDRESS_MAX:
            raise LaunchFailed(
                f"passt: '{self.path}' is longer than a socket's path can be ({ADDRESS_MAX} bytes)"
            )
        disk.unlink(self.path, missing_ok=True)
        undo.callback(disk.unlink, self.path, missing_ok=True)
        return self._run(undo, None)

    def _run(self, undo: ExitStack, descriptor: int | None) -> Watched:
        program = shutil.which("passt")
        if program is None:
            raise LaunchFailed("Unable to find 'passt' binary in $PATH")
        disk.unlink(self._ready, missing_ok=True)
        os.mkfifo(self._ready, 0o600)
        pipe = os.open(self._ready, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        undo.callback(disk.unlink, self._ready, missing_ok=True)
        try:
            spawned = self._spawn(program, descriptor)
            undo.callback(swtpm.abandon, spawned)
            self._wait(spawned, pipe)
        finally:
            os.close(pipe)
        found = Path(program).stat()  # what /proc says of it only root may see
        executable = found.st_dev, found.st_ino
        identity = Identity(boot_id(), spawned.pid, spawned.start, executable, str(self._ready))
        return Watched(identity, spawned, str(self._status))

    def _spawn(self, program: str, descriptor: int | None) -> Spawned:
        if self.account is not None:
            disk.give(self._ready, *self.account.owner)
        with appending(self._log) as log:
            argv = [program, *self.arguments(descriptor)]
            return spawn(
                argv,
                status_file=self._status,
                log_fd=log.descriptor,
                pass_fds=[] if descriptor is None else [descriptor],
                cwd="/" if descriptor is not None else str(self.sockets),
                account=self.account,
            )

    def _wait(self, spawned: Spawned, pipe: int) -> None:
        pidfd = spawned.hold()
        try:
            told: list[int] = [] if pidfd is None else select.select([pipe, pidfd], [], [], READY)[0]
            if pipe not in told:
                raise LaunchFailed(f"passt of '{self.interface.id}' is not ready: {self._said()}")
        finally:
            if pidfd is not None:
                os.close(pidfd)

    def _said(self) -> str:
        lines = self._log.read_bytes()[-LAST_BYTES:].decode(errors="replace").splitlines()
        told = [line.strip() for line in lines if line.strip() and not line.startswith(NOISE)]
        return "; ".join(told) or "it said nothing"


def _address(ip: Ip) -> list[str]:
    mask = [] if ip.prefix is None or ":" in ip.address else ["--netmask", str(ip.prefix)]
    return ["--address", ip.address, *mask]


def forward(each: PortForward) -> list[str]:
    """``--tcp-ports 127.0.0.1%eth0/2222:22,~2230``: without ranges all ports."""
    where = f"{each.address or ''}{f'%{each.dev}' if each.dev else ''}"
    ranges = []
    for span in each.ranges:
        here = _span(span.start, span.end)
        there = "" if span.to is None else ":" + _span(span.to, _shifted(span.to, span.start, span.end))
        ranges.append(f"~{here}" if span.exclude else f"{here}{there}")
    if where:
        return [FORWARD[each.proto], f"{where}/{','.join(ranges) or EVERY}"]
    return [FORWARD[each.proto], ",".join(ranges) or "all"]


def _span(start: int, end: int | None) -> str:
    return str(start) if end in (None, start) else f"{start}-{end}"


def _shifted(to: int, start: int, end: int | None) -> int | None:
    return None if end is None else to + end - start
