"""A guest that runs for as long as a command does: started, joined to the terminal, waited for, gone."""

from __future__ import annotations

import selectors
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from embervirt.cli.console import Console, pty_of
from embervirt.cli.ending import KILLED, Ending, Report, concerns, ending
from embervirt.cli.signals import Signals
from embervirt.cli.terminal import keyboard, serve
from embervirt.cli.watch import Watch
from embervirt.drivers.qemu.errors import DomainNotRunning
from embervirt.errors import libvirtError
from embervirt.libvirt.connect import virConnect
from embervirt.libvirt.domain import virDomain
from embervirt.supervisor.identity import Identity, Process

PAUSED_AUTODESTROY = 1 | 2
"""VIR_DOMAIN_START_PAUSED, VIR_DOMAIN_START_AUTODESTROY."""

DYING = 10.0
"""Seconds the kernel may need to end a process that was sent SIGKILL."""


@dataclass(frozen=True)
class Ended:
    """A guest that was run, and how it ended."""

    name: str
    uuid: str
    id: int
    ending: Ending


def run_guest(
    conn: virConnect, xml: str, signals: Signals, out: BinaryIO, processes: list[Identity]
) -> Ended:
    """Start it paused, join its console, let it go, and wait for its end.

    Its QEMU goes into ``processes``: after an error it ends with the connection, or by ``gone_afterwards``.
    Raises what ``createXML`` does, and InternalError when the root failed.
    """
    with Watch(conn.root) as watch:
        domain = conn.createXML(xml, PAUSED_AUTODESTROY)
        row = conn.root.part("qemu").face.tables.running.get(domain.UUIDString())
        processes += [] if row is None else [row.process]
        with closing(Run(domain, watch, signals)) as guest:
            ended = _attached(
                guest, domain, Log(conn.root.paths.console_log(domain.name())), out
            )
    return Ended(domain.name(), domain.UUIDString(), guest.id, ended)


def _attached(guest: Run, domain: virDomain, log: Log, out: BinaryIO) -> Ending:
    """Its console is joined before its first instruction, so that nothing it says is lost."""
    path = pty_of(domain.XMLDesc())
    if path is None:
        return guest.go()
    with keyboard(interrupt=True) as keys:
        with closing(Console(path, guest.selector, out, keys, guest.left)) as console:
            ended = guest.go()
        if not guest.console_left:
            log.rest(console.copied, out)
    return ended


@contextmanager
def gone_afterwards() -> Iterator[list[Identity]]:
    """Kills the processes in its list that are left after the ``with``.

    The last resort, when not even the closing connection could end QEMU because its guest's actor is down.
    """
    processes: list[Identity] = []
    try:
        yield processes
    finally:
        for identity in processes:
            process = Process.attach(identity)
            if process is not None:
                with process:
                    process.signal(signal.SIGKILL)
                    process.wait(DYING)


class Log:
    """The console's log: all that QEMU wrote to the pty, of which the unread part is lost when QEMU ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = path.stat().st_size if path.exists() else 0

    def rest(self, copied: int, out: BinaryIO) -> None:
        """What came after ``copied`` bytes of this run."""
        if self._path.exists():
            with self._path.open("rb") as log:
                log.seek(self._before + copied)
                out.write(log.read())
                out.flush()


class Run:
    """A guest and the user's signals, until the guest has ended."""

    def __init__(self, domain: virDomain, watch: Watch, signals: Signals) -> None:
        self._domain, self._watch, self._signals = domain, watch, signals
        self.id = domain.ID()
        self._reports: list[Report] = []
        self._forced: Ending | None = None
        self._asked = self.console_left = False
        self.selector = selectors.DefaultSelector()
        self.selector.register(watch, selectors.EVENT_READ, self._happened)
        self.selector.register(signals, selectors.EVENT_READ, self._signalled)

    def close(self) -> None:
        """After the console."""
        self.selector.close()

    def go(self) -> Ending:
        """Let it run; serve its console and the signals until it has ended.

        Raises InternalError when the root failed.
        """
        with suppress(DomainNotRunning):  # then the events say how it ended
            self._domain.resume()
        while (ended := self._forced or ending(self._reports)) is None:
            serve(self.selector)
        return ended

    def _happened(self, _: int) -> None:
        name = self._domain.name()
        self._reports += [each for each in self._watch.take() if concerns(each, self.id, name)]

    def _signalled(self, _: int) -> None:
        for number in self._signals.take():
            if not self._asked:
                self._asked = True
                self._ask()
            elif number == signal.SIGINT:
                self._kill()

    def _ask(self) -> None:
        name = self._domain.name()
        try:
            self._domain.shutdown()
        except libvirtError as error:
            text = f"cannot be asked to power off: {error}; Ctrl-C kills it"
            click.echo(f"error: guest '{name}' {text}", err=True)
        else:
            click.echo(f"guest '{name}' is asked to power off; Ctrl-C again kills it", err=True)

    def _kill(self) -> None:
        """Its end is an event; where nobody is left to tell of it, it is ended with the connection."""
        try:
            with suppress(DomainNotRunning):
                self._domain.destroy()
        except libvirtError as error:
            self._forced = Ending(KILLED, "killed", str(error))

    def left(self, by_key: bool) -> None:
        """The guest runs on without its console."""
        self.console_left = by_key
        if by_key:
            click.echo("\nleft the console; Ctrl-C asks the guest to power off", err=True)
